#!/usr/bin/perl
# Redpanda's admin port: /public_metrics with the series of disk and memory that alerts and dashboards read.
use strict; use warnings; use IO::Socket::INET;
my $data = shift; $SIG{CHLD} = 'IGNORE';
my $server = IO::Socket::INET->new(LocalPort => 9644, Listen => 16, ReuseAddr => 1) or die "9644: $!";
sub gauge { my ($name, $value) = @_; return "# TYPE $name gauge\n$name $value\n"; }
while (my $client = $server->accept) {
  my $request = <$client> // ''; while (my $line = <$client>) { last if $line =~ /^\r?$/ }
  my (undef, $total, $free) = (split ' ', (split /\n/, `df -B1 --output=size,avail $data`)[1] =~ s/^/x /r);
  my ($resident) = `cat /proc/1/statm` =~ /^\d+ (\d+)/;
  my ($used, $memory) = ($resident * 4096, 1536 * 1024 * 1024);
  my $body = gauge('redpanda_storage_disk_free_bytes', $free) . gauge('redpanda_storage_disk_total_bytes', $total)
    . gauge('redpanda_memory_allocated_memory', $used) . gauge('redpanda_memory_free_memory', $memory - $used)
    . gauge('redpanda_memory_available_memory', $memory - $used);
  my $status = $request =~ m{^GET /public_metrics } ? '200 OK' : '404 Not Found';
  print $client "HTTP/1.1 $status\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: " . length($body) . "\r\nConnection: close\r\n\r\n$body";
  close $client;
}
