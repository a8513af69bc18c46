#!/bin/bash
# A workspace's tree as it comes in and as it goes out. Runs as uid 1000 in a container of its own, without a network. What
# stands in /workspace may be the agent's work: nothing of its .git is read, and no filter, driver, monitor or hook that it
# names is run. /base is written here alone, before there is a task. Prints one JSON object: all its values are hex or numbers.
set -euo pipefail
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_TERMINAL_PROMPT=0
export GIT_AUTHOR_NAME=PocketCoder GIT_AUTHOR_EMAIL=pocketcoder@localhost
export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL
scratch=/home/agent
shown=
if [ "$1" = show ]; then # what `export` makes, as the output of a task's action: others of the task may have written into its home
  shown=$2
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  export HOME=$scratch
  set -- export "$2"
fi

plain() { # repository: its files are taken byte for byte and shown, whatever a .gitattributes says
  mkdir -p "$1/info"
  echo '* -text -filter -ident !working-tree-encoding !diff' > "$1/info/attributes"
}

use() { # repository, over the files of /workspace
  export GIT_DIR=$1 GIT_WORK_TREE=/workspace GIT_INDEX_FILE=$scratch/index
  rm -f "$GIT_INDEX_FILE"
}

# The tree of the files there are now. What .gitignore names is not part of it unless it was from the start; neither is a
# repository inside of the workspace. Git is given names, so it never looks at a submodule, whose configuration it would heed.
tree() { # [commit]
  git ls-files -z -o --exclude-standard > $scratch/all
  sed -z '/\/$/d' $scratch/all > $scratch/names
  left=$(($(tr -cd '\0' < $scratch/all | wc -c) - $(tr -cd '\0' < $scratch/names | wc -c)))
  if [ -n "${1-}" ]; then
    git read-tree "$1"
    git ls-files -z -c -i --exclude-standard >> $scratch/names
    rm -f "$GIT_INDEX_FILE"
    git ls-tree -r -z "$1" | sed -nz '/^160000 /p' | git update-index -z --index-info
  fi
  git update-index -z --add --remove --replace --stdin < $scratch/names
  tree=$(git write-tree)
}

say() { # commit tree files bytes [left]
  printf '{"commit":"%s","tree":"%s","files":%d,"bytes":%d,"left":%d}\n' "$1" "$2" "$3" "$4" "${5-0}"
}

case $1 in
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
  format=sha1 base=
  if [ -e /base/HEAD ]; then
    format=$(git --git-dir=/base rev-parse --show-object-format)
    base=$(git --git-dir=/base rev-parse HEAD)
  fi
  git init -q --bare --template= --object-format="$format" $scratch/repository
  plain $scratch/repository
  [ -z "$base" ] || { mkdir -p $scratch/repository/objects/info; echo /base/objects > $scratch/repository/objects/info/alternates; }
  use $scratch/repository
  tree $base
  before=$(git rev-parse -q --verify "$base^{tree}" || git hash-object -w -t tree /dev/null)
  files=$(git diff-tree -r -z --no-renames --name-only "$before" "$tree" | tr -cd '\0' | wc -c)
  commit=$(git commit-tree ${base:+-p $base} -m 'As it is in the workspace' "$tree")
  case $2 in
  bundle)
    git update-ref refs/heads/pocketcoder "$commit"
    [ "$files" = 0 ] || git bundle create -q $scratch/result refs/heads/pocketcoder ${3:+^$base}
    ;;
  patch)
    git diff-tree -p --binary --full-index --no-renames --no-ext-diff --no-textconv "$before" "$tree" > $scratch/result
    ;;
  diff)
    {
      [ -n "$base" ] || echo 'nothing was imported here: every file is new'
      [ "$left" = 0 ] || echo "left out: $left repositories inside of the workspace"
      git diff-tree -r --patch-with-stat --stat=60 --no-color --no-renames --no-ext-diff --no-textconv "$before" "$tree"
    } > $scratch/result
    ;;
  directory)
    mkdir $scratch/result
    git checkout-index -q -a --prefix=$scratch/result/
    files=$(git ls-files -z | tr -cd '\0' | wc -c)
    ;;
  esac
  if [ -z "$shown" ]; then
    say "$commit" "$tree" "$files" 0 "$left"
  elif [ "$files" = 0 ]; then
    echo 'nothing has changed'
    [ "$shown" = diff ]
  elif [ "$(stat -c %s $scratch/result)" -gt $((32 << 20)) ]; then
    echo 'it is larger than 32 MiB: ./pocketcoder workspace export at the console takes it out'
    exit 1
  else
    cat $scratch/result
  fi
  ;;
esac
