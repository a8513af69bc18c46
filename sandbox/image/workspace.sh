#!/bin/bash
# A workspace's tree as it comes in, is merged, and goes out. Runs as the agent in a container of its own, without a network. What
# stands in /workspace may be the agent's work: of its .git the commits of a branch are read, and no filter, driver, monitor or hook
# that it names is run. /base is written here alone, before there is a task. Prints one JSON object: all its values are hex or numbers.
set -euo pipefail
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_TERMINAL_PROMPT=0
export GIT_AUTHOR_NAME=PocketCoder GIT_AUTHOR_EMAIL=pocketcoder@localhost
export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL
scratch=/home/agent
shown=
if [ "$(id -u)" = 0 ]; then # what an older release left is uid 1000's until the workspace's next action
  owner=agent
  case $(stat -c %u /workspace) in
  1000) owner=1000 ;;
  0)
    echo "what an older release left is the agent's only in part: have an action run there first; nothing was done"
    exit 1
    ;;
  esac
  chown $owner $scratch
  HOME=$scratch exec setpriv --reuid=$owner --regid=$owner --clear-groups --inh-caps=-all "$0" "$@"
fi
if [ "$1" = show ] || [ "$1" = merge ]; then # as a task's action: others of the task may have written into its home
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  export HOME=$scratch
fi
if [ "$1" = show ]; then # what `export` makes, as its output
  shown=$2
  set -- export "$2"
fi

plain() { # repository: its files are taken byte for byte, shown and merged as text, whatever a .gitattributes says
  mkdir -p "$1/info"
  echo '* -text -filter -ident !working-tree-encoding !diff !merge' > "$1/info/attributes"
}

use() { # repository, over the files of /workspace
  export GIT_DIR=$1 GIT_WORK_TREE=/workspace GIT_INDEX_FILE=$scratch/index
  rm -f "$GIT_INDEX_FILE"
}

# What git can't read, or would wait for without end: names from /workspace on, of directories with a slash. One whose .gitignore
# or .gitattributes is no file is among them, for git opens those.
find_odd() {
  find . -mindepth 1 -name .git -prune \
    -o -type d \( ! -readable -o ! -executable \) -printf './%P/\0' -prune \
    -o \( -type f ! -readable -o ! -type f ! -type d ! -type l \) \
    \( \( -name .gitignore -o -name .gitattributes \) -printf '%h/\0' -o -printf './%P\0' \) |
    sed -z 's|^\./||' | LC_ALL=C sort -zu > $scratch/odd
  if grep -qzx '' $scratch/odd; then
    echo "the .gitignore or .gitattributes of the workspace's root is no file that can be read: take it away, nothing was done"
    exit 1
  fi
}

odd() { # in|out [entries]: of the names on stdin (or ls-tree's entries) those that are odd or below what is, or the others
  perl -0 -e '
    my ($list, $in, $entries) = @ARGV;
    open my $file, "<", $list or die;
    my %odd = map { chomp; $_ => 1 } <$file>;
    while (<STDIN>) {
      chomp;
      my $name = $entries ? s/^[^\t]*\t//r : $_;
      my ($found, $so_far) = ($odd{$name}, "");
      for my $part (split m{/}, $name) { $so_far .= "$part/"; $found ||= $odd{$so_far} }
      print "$_\0" if ($found xor $in eq "out");
    }' $scratch/odd "$@"
}

# The tree of the files there are now. What .gitignore names is not part of it unless it was from the start; neither is a
# repository inside of the workspace. Git is given names, so it never looks at a submodule, whose configuration it would heed.
# What is odd is as it was.
tree() { # [commit]
  find_odd
  sed -nz '/\/$/{s/[*?[\\]/\\&/g;s|^|--exclude=/|p}' $scratch/odd > $scratch/excluded
  mapfile -d '' excluded < $scratch/excluded
  git ls-files -z -o --exclude-standard "${excluded[@]}" > $scratch/all
  sed -z '/\/$/d' $scratch/all | odd out > $scratch/names
  left=$(sed -nz '/\/$/p' $scratch/all | tr -cd '\0' | wc -c)
  if [ -n "${1-}" ]; then
    git read-tree "$1"
    git ls-files -z -c | odd in | git update-index -z --force-remove --stdin # lest a .gitignore among them is opened
    git ls-files -z -c -i --exclude-standard "${excluded[@]}" | odd out >> $scratch/names
    rm -f "$GIT_INDEX_FILE"
    git ls-tree -r -z "$1" | sed -nz '/^160000 /p' | git update-index -z --index-info
  fi
  git update-index -z --add --remove --replace --stdin < $scratch/names
  [ -z "${1-}" ] || git ls-tree -r -z "$1" | odd in entries | git update-index -z --index-info
  tree=$(git write-tree)
}

# The odd ones for a person: at most twenty, one a line, control characters by their code.
odd_names() {
  perl -0 -ne 'chomp; s/([\x00-\x1f\x7f\\])/sprintf "\\x%02x", ord $1/ge; print "left out, as it cannot be read: $_\n" if $. <= 20' \
    $scratch/odd
  local all
  all=$(tr -cd '\0' < $scratch/odd | wc -c)
  [ "$all" -le 20 ] || echo "left out: $((all - 20)) more"
}

begin() { # a repository of our own, over the objects that came in
  format=sha1 base=
  if [ -e /base/HEAD ]; then
    format=$(git --git-dir=/base rev-parse --show-object-format)
    base=$(git --git-dir=/base rev-parse HEAD)
  fi
  git init -q --bare --template= --object-format="$format" $scratch/repository
  mkdir -p $scratch/repository/objects/info
  [ -z "$base" ] || echo /base/objects > $scratch/repository/objects/info/alternates
}

apart() { # the same where nothing of the agent's runs
  begin
  [ ! -e /base/shallow ] || cp /base/shallow $scratch/repository/
  export GIT_DIR=$scratch/repository GIT_NO_REPLACE_OBJECTS=1 GIT_ALLOW_PROTOCOL=https
  exec 2> /dev/null # what is read as the outcome holds no words but ours
}

# Which commit a branch of the workspace is at. Of the agent's .git its files are read, which can run nothing.
find_branch() { # [branch]
  local own=/workspace/.git line=
  branch=$1
  [ -f $own/HEAD ] || { echo 'there is no git repository in the workspace'; exit 1; }
  if [ -z "$branch" ]; then
    line=$(head -c 300 $own/HEAD | tr '\0' '?')
    branch=${line#ref: refs/heads/}
    [ "$branch" != "$line" ] || { echo 'no branch is checked out'; exit 1; }
  fi
  git check-ref-format "refs/heads/$branch" || { echo 'that is no name of a branch'; exit 1; }
  commit=
  if [ -f "$own/refs/heads/$branch" ]; then
    commit=$(head -c 100 "$own/refs/heads/$branch" | tr '\0' '?')
  elif [ -f $own/packed-refs ]; then
    commit=$(awk -v "ref=refs/heads/$branch" '$2 == ref { print $1 }' $own/packed-refs)
  fi
  [[ $commit =~ ^[0-9a-f]{40}([0-9a-f]{24})?$ ]] || { echo "there is no commit on a branch $branch"; exit 1; }
}

# Takes what a commit has over the import into our repository, every object under the hash of what it holds, and as it has to be: the
# agent's own repository may hold one thing under the name of another, change it meanwhile, or have a pipe there.
gather() { # commit
  cp -r $scratch/repository $scratch/gather
  echo /workspace/.git/objects >> $scratch/gather/objects/info/alternates
  printf '%s\n' "$1" ${base:+"^$base"} | timeout 120 git --git-dir=$scratch/gather pack-objects -q --revs --stdout 2> /dev/null |
    git --git-dir=$scratch/repository index-pack --stdin --strict > /dev/null 2>&1 || { echo 'its commits cannot all be read'; return 1; }
}

# What a person is shown of the commits that one has and another has not, by those alone: the same each time.
commits() { # commit words [another]
  local count
  count=$(git rev-list --count "$1" ${3:+"^$3"} 2> /dev/null) || { echo 'its commits cannot all be read'; return 1; }
  [ "$count" != 0 ] || { echo "it has no commits $2"; return 1; }
  echo "commits $2: $count"
  git log -n 20 --format='%h %<(100,trunc)%s' "$1" ${3:+"^$3"} |
    perl -MEncode -CO -pe 's/ +$//; $_ = decode("UTF-8", $_, Encode::FB_PERLQQ)'
  [ "$count" -le 20 ] || echo "and $((count - 20)) before those"
}

# What the repository is known to have of a branch: what a push brought there or a pull found there last, else what came in.
find_known() { # tips branch commit
  known=$base since='since the import'
  local imported of
  imported=$(git --git-dir=/base rev-parse -q --verify "refs/heads/$2" || true)
  for of in $imported $(awk -v "branch=$2" '$1 == branch { print $2 }' <<< "$1"); do
    git merge-base --is-ancestor "$of" "$3" || continue
    known=$of
    [ "$of" = "$imported" ] || since='since its last push or pull'
  done
}

difference() { # from to
  git diff-tree -r --stat=60,40,20 --no-color --no-renames "${1:-$(git hash-object -t tree /dev/null)}" "$2"
}

say() { # commit tree files bytes [left]
  local odd
  odd=$(perl -0 -ne 'chomp; print $sep, "\"", unpack("H*", $_), "\""; $sep = ","' $scratch/odd 2> /dev/null || true)
  printf '{"commit":"%s","tree":"%s","files":%d,"bytes":%d,"left":%d,"odd":[%s]}\n' "$1" "$2" "$3" "$4" "${5-0}" "$odd"
}

case $1 in
outgoing) # tips branch | tips branch commit url sha256: shows what a push would bring, or pushes exactly that. In a container of its own.
  apart
  if [ $# = 3 ]; then
    find_branch "$3"
    gather "$commit"
    find_known "$2" "$branch" "$commit"
    commits "$commit" "$since" "$known" > $scratch/shown || { cat $scratch/shown; exit 1; }
    difference "$known" "$commit" >> $scratch/shown
    printf '%s\n%s\n' "$branch" "$commit"
    cat $scratch/shown
    exit
  fi
  gather "$4"
  find_known "$2" "$3" "$4"
  commits "$4" "$since" "$known" > $scratch/shown && difference "$known" "$4" >> $scratch/shown || true
  if ! echo "$6  $scratch/shown" | sha256sum --status -c; then
    echo 'the commits are not what the card showed; nothing was pushed'
    exit 1
  fi
  failed=0
  git push --no-verify "$5" "$4:refs/heads/$3" > $scratch/said 2>&1 || failed=$?
  head -c 3000 $scratch/said
  exit $failed
  ;;
incoming) # branch url: fetches it, puts its objects beside the agent's, and shows what a merge would bring. In a container of its own.
  apart
  find_branch ''
  gather "$commit"
  git update-ref refs/heads/own "$commit"
  git fetch -q --no-tags "$3" "refs/heads/${2:-$branch}" > $scratch/said 2>&1 || { head -c 3000 $scratch/said; exit 1; }
  theirs=$(git rev-parse FETCH_HEAD)
  commits "$theirs" "that $branch lacks" "$commit" > $scratch/shown || { cat $scratch/shown; exit 1; }
  clashes=
  if git merge-base --is-ancestor "$commit" "$theirs"; then
    merged=$theirs
  else
    git merge-tree --write-tree --name-only --no-messages "$commit" "$theirs" > $scratch/merged 2> $scratch/said || [ $? = 1 ] || { head -c 3000 $scratch/said; exit 1; }
    { read -r merged; clashes=$(cat); } < $scratch/merged
  fi
  printf '%s\n' "$theirs" "^$commit" | git pack-objects -q --revs $scratch/pack > /dev/null
  mv $scratch/pack-*.pack $scratch/pack-*.idx /workspace/.git/objects/pack/
  printf '%s\n%s\n' "${2:-$branch}" "$theirs"
  {
    printf 'into %s\n' "$commit"
    cat $scratch/shown
    difference "$commit" "$merged"
    [ -z "$clashes" ] || printf 'both changed, to be put together by hand:\n%s\n' "$clashes"
  } | head -c 3500
  ;;
merge) # own commit: merges it where the branch is still at own. Settings, attributes and hooks of the agent's .git have no part in it.
  begin
  plain $scratch/repository
  own=/workspace/.git
  find_branch ''
  [ "$commit" = "$2" ] || { echo "$branch is not where it was when the card was made; nothing was merged"; exit 1; }
  [ ! -e $own/MERGE_HEAD ] || { echo 'another merge is under way; nothing was merged'; exit 1; }
  # Git would wait for whoever writes into a pipe, and read a device without end.
  odd=$(find /workspace ! -xtype f ! -xtype d \( -name .gitattributes -o -name .gitignore -o -path "$own/*" \) -printf '%P\n' -quit 2> /dev/null | cat -v || true)
  [ -z "$odd" ] || { echo "$odd is no file that can be read: take it away; nothing was merged"; exit 1; }
  unset GIT_CONFIG_NOSYSTEM "${!GIT_AUTHOR_@}" "${!GIT_COMMITTER_@}" # root's own, in which is who commits are by
  export GIT_DIR=$scratch/repository GIT_WORK_TREE=/workspace GIT_INDEX_FILE=$own/index GIT_OBJECT_DIRECTORY=$own/objects
  cd $GIT_DIR
  rm -r refs
  for of in refs packed-refs logs shallow; do [ ! -e $own/$of ] || ln -s $own/$of $of; done
  echo "ref: refs/heads/$branch" > HEAD
  cd /workspace
  failed=0
  git --no-replace-objects -c core.logAllRefUpdates=true -c gc.auto=0 merge --no-edit "$3" || failed=$?
  for of in MERGE_HEAD MERGE_MSG MERGE_MODE AUTO_MERGE ORIG_HEAD; do
    [ ! -e "$GIT_DIR/$of" ] || cp --remove-destination "$GIT_DIR/$of" $own/
  done
  exit $failed
  ;;
import)
  case $2 in
  directory)
    git init -q --bare --template= -b main /base
    plain /base
    use /base
    tree
    git update-ref HEAD "$(git commit-tree -m imported "$tree")"
    ;;
  git) # its objects and references stand in /base
    plain /base
    git --git-dir=/base rev-parse -q --verify 'HEAD^{commit}' > $scratch/head || { echo 'it has no commit'; exit 1; }
    git clone -q -n --no-hardlinks --template= /base /workspace
    git --git-dir=/workspace/.git remote set-url --push origin "$3" # where the agent would push, once a lease lets it
    use /base
    git read-tree HEAD
    git checkout-index -q -f -a
    # The clone's own index, for whoever works in it.
    GIT_DIR=/workspace/.git GIT_INDEX_FILE=/workspace/.git/index git read-tree HEAD
    ;;
  esac
  size=$(find /workspace -name .git -prune -o -type f -printf '%s\n' | awk '{ n++; s += $1 } END { printf "%d %.0f", n, s }')
  say "$(git rev-parse HEAD)" "$(git rev-parse 'HEAD^{tree}')" $size
  ;;
export) # bundle|patch|diff|directory, and git where the other side has the commit that came in
  begin
  plain $scratch/repository
  use $scratch/repository
  tree $base
  before=$(git rev-parse -q --verify "$base^{tree}" || git hash-object -w -t tree /dev/null)
  files=$(git diff-tree -r -z --no-renames --name-only "$before" "$tree" | tr -cd '\0' | wc -c)
  parent=$base
  if [ "$2" = bundle ] && own=$(find_branch '' > /dev/null && echo "$commit") && gather "$own" > /dev/null; then
    [ -n "$base" ] && ! git merge-base --is-ancestor "$base" "$own" || parent=$own # the agent's own commits go along
  fi
  if [ "$parent" != "$base" ] && [ "$tree" = "$(git rev-parse "$parent^{tree}")" ]; then
    commit=$parent
  else
    commit=$({ echo 'As it is in the workspace'; echo; odd_names; } | git commit-tree ${parent:+-p $parent} "$tree")
  fi
  case $2 in
  bundle)
    git update-ref refs/heads/pocketcoder "$commit"
    [ "$files" = 0 ] || git bundle create -q $scratch/result refs/heads/pocketcoder ${3:+^$base}
    ;;
  patch)
    { odd_names; git diff-tree -p --binary --full-index --no-renames --no-ext-diff --no-textconv "$before" "$tree"; } > $scratch/result
    ;;
  diff)
    {
      [ -n "$base" ] || echo 'nothing was imported here: every file is new'
      [ "$left" = 0 ] || echo "left out: $left repositories inside of the workspace"
      odd_names
      git diff-tree -r --patch-with-stat --stat=60 --no-color --no-renames --no-ext-diff --no-textconv "$before" "$tree"
    } > $scratch/result
    ;;
  directory)
    mkdir $scratch/result
    (cd $scratch/result && GIT_WORK_TREE=$scratch/result git checkout-index -q -a) # which looks for attributes there
    files=$(git ls-files -z | tr -cd '\0' | wc -c)
    ;;
  esac
  if [ -z "$shown" ]; then
    say "$commit" "$tree" "$files" 0 "$left"
  elif [ "$files" = 0 ]; then
    echo 'nothing has changed'
    odd_names
    [ "$shown" = diff ]
  elif [ "$(stat -c %s $scratch/result)" -gt $((32 << 20)) ]; then
    echo 'it is larger than 32 MiB: ./pocketcoder workspace export at the console takes it out'
    exit 1
  else
    cat $scratch/result
  fi
  ;;
esac
