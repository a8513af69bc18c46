// egress is the proxy of one lease of the network. The first line of its stdin is the lease; the end of stdin, or 15 seconds of silence,
// is its end. It has no listener of its own: `egress lend ADDRESS SOCKET` makes one in the task's network namespace and hands it over.
// `egress addresses` prints those of the machine.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// lease is what the executor renders from an approved action, with the addresses that no name may lead to. Allowed is of tests: it
// opens what is refused always.
type lease struct {
	Rules           []rule
	Up, Down        int64
	Until           time.Time
	Socket, Roots   string
	Denied, Allowed []netip.Prefix
}

// silence is how long the executor may say nothing: an engine that is killed leaves stdin open.
const silence = 15 * time.Second

func main() {
	log.SetFlags(0)
	var err error
	switch {
	case len(os.Args) == 4 && os.Args[1] == "lend":
		err = lend(os.Args[2], os.Args[3])
	case len(os.Args) == 2 && os.Args[1] == "addresses":
		err = printAddresses()
	default:
		err = run()
	}
	if err != nil {
		log.Fatal(err)
	}
}

func run() error {
	m := newMeter()
	quiet := time.AfterFunc(silence, func() { m.end("its executor was silent") })
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return err
	}
	var l lease
	order := json.NewDecoder(bytes.NewReader(line))
	order.DisallowUnknownFields()
	if err := order.Decode(&l); err != nil {
		return err
	}
	m.most(l.Up, l.Down)
	go func() {
		for _, err := in.ReadByte(); err == nil; _, err = in.ReadByte() {
			quiet.Reset(silence)
		}
		m.end("its executor let go")
	}()
	time.AfterFunc(time.Until(l.Until), func() { m.end("its time was over") })
	ca, err := newAuthority()
	if err != nil {
		return err
	}
	listener, err := borrow(l.Socket)
	if err != nil {
		return err
	}
	say(map[string]any{"ready": ca.pem})
	go m.tick()
	return serve(listener, &l, m, ca)
}

// lend runs in the task's network namespace and is gone before the lease begins: the socket stays there, its holder is outside.
func lend(address, path string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	defer file.Close()
	conn, err := net.Dial("unix", path)
	for end := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(end); conn, err = net.Dial("unix", path) {
		time.Sleep(5 * time.Millisecond)
	}
	if err != nil {
		return err
	}
	_, _, err = conn.(*net.UnixConn).WriteMsgUnix([]byte{0}, syscall.UnixRights(int(file.Fd())), nil)
	return err
}

// borrow takes the one listener that is handed over, and shuts the door behind it.
func borrow(path string) (net.Listener, error) {
	door, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	defer door.Close()
	conn, err := door.Accept()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	rights := make([]byte, syscall.CmsgSpace(4))
	_, n, _, _, err := conn.(*net.UnixConn).ReadMsgUnix(make([]byte, 1), rights)
	if err != nil {
		return nil, err
	}
	messages, err := syscall.ParseSocketControlMessage(rights[:n])
	if err != nil || len(messages) != 1 {
		return nil, fmt.Errorf("no listener was handed over: %v", err)
	}
	files, err := syscall.ParseUnixRights(&messages[0])
	if err != nil || len(files) != 1 {
		return nil, fmt.Errorf("no listener was handed over: %v", err)
	}
	return net.FileListener(os.NewFile(uintptr(files[0]), "lent"))
}

func printAddresses() error {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return err
	}
	own := []netip.Prefix{}
	for _, one := range all {
		if prefix, err := netip.ParsePrefix(one.String()); err == nil {
			own = append(own, netip.PrefixFrom(prefix.Addr(), prefix.Addr().BitLen()))
		}
	}
	return json.NewEncoder(os.Stdout).Encode(own)
}

// lines holds what is still to be printed: nothing in here waits for whoever reads it.
var lines = make(chan any, 64)

func init() {
	go print(os.Stdout)
}

func print(to io.Writer) {
	for line := range lines {
		_ = json.NewEncoder(to).Encode(line) // nobody reads any more: stdin ends too
		if _, last := line.(lastWord); last {
			os.Exit(0)
		}
	}
}

// say prints a line, or drops it where more wait than are of use.
func say(line any) {
	select {
	case lines <- line:
	default:
	}
}

// spare is how many refusals are told of until the next tick: a script may cause any number.
var spare atomic.Int32

// refused tells the executor what did not go through, and why.
func refused(what, why string) {
	if spare.Add(-1) >= 0 {
		say(map[string]string{"refused": what[:min(len(what), 300)], "why": why[:min(len(why), 300)]})
	}
}
