#!/usr/bin/perl
# What actions on files do, as the agent inside the task's container. The input file is a list of
# length-prefixed byte strings: operation, path, then what the operation takes; of `put` the rest of it is the file's bytes, which can be
# many and are not held in memory. All bytes are kept as they come.
# A path must be /workspace or lie below it as it is written, and no symbolic link is followed: each directory is opened from the one
# before, the file from the last, and what is looked at is what was opened. So it makes no difference what else runs here and
# puts links in the place of names meanwhile.
use strict;
use warnings;
use Fcntl;

my $most_lines = 1000;
my $most_sent  = 32 << 20;
my $most_open  = 200;
my $o_path     = 0x200000; # O_PATH of Linux, which Fcntl has not: to go into a directory one need not be allowed to list it
my $here       = '/workspace'; # where this process is, for people

# A name in one line of text: control characters, and bytes that are no UTF-8, by their code.
sub one_line {
    my $text = $_[0] =~ s/([\x00-\x1f\x7f\\])/sprintf '\\x%02x', ord $1/ger;
    return $text if $text !~ /[\x80-\xff]/;
    require Encode;
    return Encode::encode('UTF-8', Encode::decode('UTF-8', $text, Encode::FB_PERLQQ()) =~ s/\\x([0-9A-F]{2})/\\x\L$1/gr);
}

# Does not return.
sub refuse {
    my ($what, $name, $why) = @_;
    my $to = readlink $name;
    die "$here/$name is a symbolic link to ", one_line($to), ", and none is followed: give the path itself; nothing was done\n"
      if defined $to;
    die "cannot $what $here/$name: $why\n";
}

# Goes into a directory of this one.
sub enter {
    my ($what, $name) = @_;
    sysopen(my $folder, $name, $o_path | O_DIRECTORY | O_NOFOLLOW) or refuse($what, $name, $!);
    chdir $folder or refuse($what, $name, $!);
    $here .= "/$name";
    return;
}

# Opens a file, or a directory, of this one to read. A pipe does not have it wait for whoever writes into it.
sub opened {
    my ($what, $name) = @_;
    sysopen(my $file, $name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) or refuse($what, $name, $!);
    -f $file or -d _ or refuse($what, $name, 'it is no plain file');
    return $file;
}

sub plain {
    my ($what, $name) = @_;
    my $file = opened($what, $name);
    refuse($what, $name, 'it is a directory') if -d $file;
    return $file;
}

# By rename, which puts a file in the place of a link, too: a reader sees the old file or the new one, and a kill midway leaves the old one.
sub store {
    my ($name, $bytes) = @_;
    my @old = lstat $name;
    refuse('write', $name, -d _ ? 'it is a directory' : 'it is no plain file') if @old and not -f _;
    # A short name of its own: one that is made from the file's would be too long where that is 250 bytes.
    my $temporary = sprintf '.pocketcoder-%x', rand 2**48;
    sysopen(my $file, $temporary, O_WRONLY | O_CREAT | O_EXCL) or refuse('write', $name, $!);
    return if print {$file} $bytes and (!@old or chmod $old[2] & 07777, $file) and close $file and rename $temporary, $name;
    my $why = $!;
    unlink $temporary;
    refuse('write', $name, $why);
}

# The next string of the input.
sub field {
    my ($input) = @_;
    my ($length, $bytes) = ('', '');
    read($input, $length, 4) == 4 and (read($input, $bytes, unpack 'N', $length) // -1) == unpack 'N', $length
      or die "the input is not whole; nothing was done\n";
    return $bytes;
}

open(my $input, '<:raw', $ARGV[0]) or die "cannot read the input: $!\n";
my ($operation, $path) = (field($input), field($input));
$path = "/workspace/$path" unless $path =~ m{^/};
die "$path is not in /workspace; nothing was done\n"
  if $path !~ m{^/workspace(?:/|\z)} or grep { $_ eq '..' } split m{/}, $path;
my %doing = (get => 'send', put => 'write', edit => 'read', grep => 'search');
my $what  = $doing{$operation} // $operation;
chdir $here or die "cannot enter $here: $!\n";
my @parts = grep { length and $_ ne '.' } split m{/}, substr $path, length $here;
my $name  = pop @parts;
my $below = join '', map { "$_/" } @parts;
for my $part (@parts) {
    $operation !~ m{^(?:put|write)\z} or mkdir $part or $!{EEXIST} or die "cannot make $here/$part: $!\n";
    enter($what, $part);
}
die "cannot $what $here: it is a directory\n" unless defined $name or $operation =~ m{^(?:list|grep)\z};
binmode STDOUT;

if ($operation eq 'read') {
    my ($offset, $limit) = (field($input), field($input));
    my $file = plain($what, $name);
    while (my $line = <$file>) {
        next if $. <= $offset;
        last if $limit and $. > $offset + $limit;
        print $line;
    }
}
elsif ($operation eq 'get') {
    my $file = plain($what, $name);
    refuse($what, $name, 'it is larger than ' . ($most_sent >> 20) . ' MiB') if -s $file > $most_sent;
    local $/ = \65536;
    print while <$file>;
}
elsif ($operation eq 'put') {
    my ($start, $extension) = $name =~ m{^(.+?)(\.[^.]*)?\z}s;
    my ($file, $free) = (undef, $name);
    # A name that is taken is not used, and a link takes one.
    for (my $n = 2; !sysopen $file, $free, O_WRONLY | O_CREAT | O_EXCL; $n++) {
        die "cannot write $here/$free: $!\n" unless $!{EEXIST} and $n < 100;
        $free = "$start-$n" . ($extension // '');
    }
    my ($good, $size) = (1, 0);
    while ($good and my $n = read $input, my $bytes, 65536) { ($good, $size) = (print({$file} $bytes), $size + $n) }
    ($good and close $file) or do { my $why = $!; unlink $free; die "cannot write $here/$free: $why\n" };
    print "wrote $size bytes to $here/$free\n";
}
elsif ($operation eq 'list') {
    enter($what, $name) if defined $name;
    opendir(my $folder, '.') or die "cannot list $here: $!\n";
    my @names = sort grep { !/^\.\.?\z/ } readdir $folder;
    for my $name (splice @names, 0, $most_lines) {
        my $size  = (lstat $name)[7] // next;
        my $kind  = -d _ ? '/' : -l _ ? ' -> ' . readlink $name : "  $size bytes";
        print one_line("$name$kind"), "\n";
    }
    print '[', scalar @names, " more]\n" if @names;
}
elsif ($operation eq 'grep') {
    # No shell, no configuration; and its expressions take time that grows with the text alone. It gives names, of which a link can be
    # made before they are opened, and is handed open files to search.
    my @rg = qw(rg --no-config --color=never --no-ignore-messages);
    my @search = (@rg, qw(--line-number --no-heading --with-filename --threads=1 --no-ignore --no-mmap
      --max-columns=500 --max-columns-preview --regexp), field($input), '--');
    my $top    = opened($what, $name // '.');
    my $failed = 0;
    my ($folder, @names) = (-d $top, $name);
    if ($folder) {
        chdir $top or refuse($what, $name // '.', $!);
        ($here, $below) = ("$here/$name", "$below$name/") if defined $name;
        local $/ = "\0";
        # Ripgrep opens what has one of these names, whatever it is: a pipe would have it wait without end.
        my @above = grep { lstat } map { ("$_/.gitignore", "$_/.ignore", "$_/.rgignore") } map { join '/', '/workspace', @parts[0 .. $_ - 1] } defined $name ? 0 .. @parts : ();
        open(my $odd, '-|', 'find', @above, qw{. -name .git -prune -o -type d ( ! -readable -o ! -executable ) -prune
          -o ! -type f ( -name .gitignore -o -name .ignore -o -name .rgignore ) -print0})
          or die "cannot search: $!\n";
        chomp(my @odd = <$odd>);
        close $odd;
        print STDERR 'left out, as it is no plain file; no list of ignored files was heeded, so all was searched: ', one_line(s{^\./}{/workspace/$below}r), "\n" for @odd;
        my @list = (@rg, qw(--files --null --sort=path --hidden --glob=!.git --no-ignore-exclude --no-ignore-global), @odd ? '--no-ignore' : ());
        open(my $listed, '-|', @list) or die "cannot search: $!\n";
        chomp(@names = <$listed>);
        close $listed;
        die "cannot search $here: it could not be listed whole\n" if $? & 127;
        $failed = $? >> 8 == 2;
    }
    sysopen(my $start, '.', O_RDONLY | O_DIRECTORY) or die "cannot search $here: $!\n";
    my ($from, $lines) = ($here, 0);
    SOME: while (my @some = splice @names, 0, $most_open) {
        my (@files, %named);
        local $^F = 2 * $most_open; # up to which number they are handed on
        for my $each (@some) {
            my ($last, @way) = reverse split m{/}, $each;
            ($here) = ($from);
            chdir $start or die "cannot search $here: $!\n";
            my $file = eval { enter($what, $_) for reverse @way; plain($what, $last) } or do { warn $@; $failed = 1; next };
            push @files, $file;
            $named{ fileno $file } = one_line($below . $each);
        }
        @files or next;
        open(my $found, '-|', @search, map { "/proc/self/fd/$_" } sort { $a <=> $b } keys %named) or die "cannot search: $!\n";
        while (my $line = <$found>) {
            my ($file, $rest) = $line =~ m{^/proc/self/fd/(\d+)(:.*)}s or next;
            next if $folder and $rest =~ m{^: binary file matches};
            $lines++ < $most_lines or do { print "[only the first $most_lines lines]\n"; last SOME };
            print $named{$file}, $rest;
        }
        close $found;
        $failed ||= $? >> 8 == 2;
    }
    # What could not be searched may have what is looked for.
    exit 2 if $failed;
    print "no line matches\n" if not $lines;
}
elsif ($operation eq 'write') {
    my $bytes = field($input);
    store($name, $bytes);
    print 'wrote ', length $bytes, " bytes to $here/$name\n";
}
elsif ($operation eq 'edit') {
    my ($old, $new) = (field($input), field($input));
    my $file = plain($what, $name);
    my $bytes = do { local $/; <$file> } // refuse($what, $name, $!);
    # A model is shown no carriage return, so it can't know. Where each line of the file ends in one, what is given has them too.
    my $crlf = $bytes =~ m{\r\n};
    my $mixed = $crlf && $bytes =~ m{(?<!\r)\n};
    if ($crlf and not $mixed) { s{(?<!\r)\n}{\r\n}g for $old, $new }
    my $ends = $mixed && $old =~ m{(?<!\r)\n} ? ', some of whose lines end with \\r\\n and some with \\n' : '';
    my ($at, $times, $seen, $line, @lines) = (-1, 0, 0, 1);
    for (my $next = index $bytes, $old; length $old and $next >= 0; $next = index $bytes, $old, $next + 1) {
        $at = $next if !$times++;
        last if $times > $most_lines;
        $line += substr($bytes, $seen, $next - $seen) =~ tr/\n//;
        $seen = $next;
        push @lines, $line if @lines < 10;
    }
    die "the text to replace is not in $path$ends; nothing was changed\n" if $at < 0;
    my $often = $times > $most_lines ? "more than $most_lines" : $times;
    die "the text to replace is in $path $often times, at lines ", join(', ', @lines), $times > @lines ? ' and more' : '',
      ": give more of what stands around one of them; nothing was changed\n"
      if $times > 1;
    substr($bytes, $at, length $old) = $new;
    store($name, $bytes);
    print "edited $path", $crlf && !$mixed ? ', whose lines end with \r\n' : '', "\n";
}
else { die "unknown operation\n" }
