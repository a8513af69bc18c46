package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// inside are the special ranges of RFC 6890 and its registries, but for those of documentation, which lead nowhere, and the address at
// which a machine of Azure finds what keeps it.
var inside = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.88.99.0/24",
	"168.63.129.16/32", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4", "2001::/23", "2002::/16")

// global is what of IPv6 is given to networks at all: loopback, mapped, translated, local and multicast addresses are not of it.
var global = netip.MustParsePrefix("2000::/3")

func prefixes(all ...string) (list []netip.Prefix) {
	for _, one := range all {
		list = append(list, netip.MustParsePrefix(one))
	}
	return
}

func in(list []netip.Prefix, address netip.Addr) bool {
	for _, prefix := range list {
		if prefix.Masked().Contains(address) {
			return true
		}
	}
	return false
}

// isOutside tells whether an address may be dialled.
func (l *lease) isOutside(address netip.Addr) bool {
	if in(l.Allowed, address) {
		return true
	}
	return !in(inside, address) && !in(l.Denied, address) && (address.Is4() || global.Contains(address))
}

// dial resolves a name once and dials one of the very addresses that were judged.
func (l *lease) dial(ctx context.Context, host string, m *meter) (net.Conn, error) {
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	err = fmt.Errorf("%s leads to no address", host)
	for _, address := range found {
		address = address.Unmap().WithZone("")
		if !l.isOutside(address) {
			err = fmt.Errorf("%s leads to an address of the inside, %s, which no lease covers", host, address)
			continue
		}
		dialler := net.Dialer{Timeout: 10 * time.Second}
		var conn net.Conn
		if conn, err = dialler.DialContext(ctx, "tcp", netip.AddrPortFrom(address, 443).String()); err == nil {
			return m.count(conn), nil
		}
	}
	return nil, err
}
