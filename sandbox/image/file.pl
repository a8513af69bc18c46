#!/usr/bin/perl
# What actions on files do, as uid 1000 inside the task's container. The input file is a list of
# length-prefixed byte strings: operation, path, then what the operation takes; of `put` the rest of it is the file's bytes, which can be
# many and are not held in memory. All bytes are kept as they come.
# A path must be /workspace or lie below it as it is written. A symbolic link may still lead elsewhere in this container: there
# is nothing there that a script could not reach as well, and nothing that is not this task's.
use strict;
use warnings;
use Cwd ();
use Fcntl;

my $most_lines = 1000;
my $most_sent  = 32 << 20;

# By rename, so that a reader sees the old file or the new one, and a kill midway leaves the old one.
sub store {
    my ($path, $bytes) = @_;
    $path = Cwd::realpath($path) // $path if -l $path;
    die "cannot write $path: it is a directory\n" if -d $path;
    # A short name of its own: one that is made from the file's would be too long where that is 250 bytes.
    my $temporary = $path =~ s{[^/]*\z}{.pocketcoder-$$}r;
    unlink $temporary;
    sysopen(my $file, $temporary, O_WRONLY | O_CREAT | O_EXCL) or die "cannot write $path: $!\n";
    (print {$file} $bytes and close $file) or do { my $why = $!; unlink $temporary; die "cannot write $path: $why\n" };
    chmod((stat $path)[2] & 07777, $temporary) if -e $path;
    rename($temporary, $path) or do { my $why = $!; unlink $temporary; die "cannot write $path: $why\n" };
    return;
}

sub make_parents {
    my ($path) = @_;
    my $made = '';
    for my $part (grep { length } split m{/}, $path =~ s{[^/]*$}{}r) {
        $made .= "/$part";
        mkdir $made or -d $made or die "cannot make $made: $!\n";
    }
    return;
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
my ($asked, $path) = (field($input), field($input));
my ($leased, $operation) = $asked =~ m{^(leased )?(\w+)$};
$path = "/workspace/$path" unless $path =~ m{^/};
die "$path is not in /workspace; nothing was done\n"
  if $path !~ m{^/workspace(?:/|\z)} or grep { $_ eq '..' } split m{/}, $path;
# A lease was given for a path as people read it, and a file that is added has no card of its own: what a link in the workspace
# makes of such a path nobody has seen.
if ($leased or $operation eq 'put') {
    my @parts = grep { length and $_ ne '.' } split m{/}, substr $path, length '/workspace';
    pop @parts if $operation eq 'put'; # the name itself is never followed: one that is taken is not used
    my $so_far = '/workspace';
    for my $part (@parts) {
        $so_far .= "/$part";
        die "$so_far is a symbolic link, which is not followed here; nothing was done\n" if -l $so_far;
    }
}
# Opening a pipe would wait for whoever writes into it.
die "cannot read $path: it is no plain file\n"
  if $operation =~ m{^(?:read|edit|grep)\z} and -e $path and not(-f _ or -d _);
binmode STDOUT;

if ($operation eq 'read') {
    my ($offset, $limit) = (field($input), field($input));
    open(my $file, '<:raw', $path) or die "cannot read $path: $!\n";
    die "cannot read $path: it is a directory\n" if -d $file;
    while (my $line = <$file>) {
        next if $. <= $offset;
        last if $limit and $. > $offset + $limit;
        print $line;
    }
}
elsif ($operation eq 'get') {
    die "cannot send $path: ", (-e $path ? 'it is no plain file' : $!), "\n" unless -f $path;
    open(my $file, '<:raw', $path) or die "cannot read $path: $!\n";
    die "cannot send $path: it is larger than ", $most_sent >> 20, " MiB\n" if -s $file > $most_sent;
    local $/ = \65536;
    print while <$file>;
}
elsif ($operation eq 'put') {
    make_parents($path);
    my ($start, $extension) = $path =~ m{^(.*?[^/])(\.[^./]*)?\z}s;
    my ($file, $free) = (undef, $path);
    for (my $n = 2; !sysopen $file, $free, O_WRONLY | O_CREAT | O_EXCL; $n++) {
        die "cannot write $free: $!\n" unless $!{EEXIST} and $n < 100;
        $free = "$start-$n" . ($extension // '');
    }
    my ($good, $size) = (1, 0);
    while ($good and my $n = read $input, my $bytes, 65536) { ($good, $size) = (print({$file} $bytes), $size + $n) }
    ($good and close $file) or do { my $why = $!; unlink $free; die "cannot write $free: $why\n" };
    print "wrote $size bytes to $free\n";
}
elsif ($operation eq 'list') {
    opendir(my $folder, $path) or die "cannot list $path: $!\n";
    my @names = sort grep { !/^\.\.?\z/ } readdir $folder;
    for my $name (splice @names, 0, $most_lines) {
        my $size  = (lstat "$path/$name")[7] // next;
        my $kind  = -d _ ? '/' : -l _ ? ' -> ' . readlink "$path/$name" : "  $size bytes";
        print "$name$kind" =~ s/([\x00-\x1f\x7f\\])/sprintf '\\x%02x', ord $1/ger, "\n"; # one line a name
    }
    print '[', scalar @names, " more]\n" if @names;
}
elsif ($operation eq 'grep') {
    my $below = substr("$path/", length '/workspace/') =~ s{/+\z}{}r;
    # No shell, no configuration, no links followed; and its expressions take time that grows with the text alone.
    my @rg = qw(rg --no-config --line-number --no-heading --with-filename --color=never --sort=path --hidden
      --glob=!.git --max-columns=500 --max-columns-preview --regexp);
    open(my $found, '-|', @rg, field($input), '--', length $below ? $below : '.') or die "cannot search: $!\n";
    my $lines = 0;
    while (my $line = <$found>) {
        $lines++ < $most_lines or do { print "[only the first $most_lines lines]\n"; last };
        print $line =~ s{^\./}{}r;
    }
    close $found;
    print "no line matches\n" if $? >> 8 == 1 and not $lines;
    exit 2 if $? >> 8 == 2;
}
elsif ($operation eq 'write') {
    make_parents($path);
    my $bytes = field($input);
    store($path, $bytes);
    print 'wrote ', length $bytes, " bytes to $path\n";
}
elsif ($operation eq 'edit') {
    my ($old, $new) = (field($input), field($input));
    open(my $file, '<:raw', $path) or die "cannot read $path: $!\n";
    my $bytes = do { local $/; <$file> } // die "cannot read $path: $!\n";
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
    store($path, $bytes);
    print "edited $path", $crlf && !$mixed ? ', whose lines end with \r\n' : '', "\n";
}
else { die "unknown operation\n" }
