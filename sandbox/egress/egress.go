// egress is the proxy of one lease of the network. The first line of its stdin is the lease; the end of stdin, or 15 seconds of silence,
// is its end. One for a tool server takes its messages from the further lines (speak.go). Any other has no listener of its own:
// `egress lend ADDRESS SOCKET` makes one in the task's network namespace and hands it over. `egress addresses` prints those of the machine.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/netip"
	"os"
	"runtime"
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
	Secrets         map[string]secret
	Denied, Allowed []netip.Prefix
}

// silence is how long the executor may say nothing: an engine that is killed leaves stdin open.
const silence = 15 * time.Second

func main() {
	switch {
	case len(os.Args) == 4 && os.Args[1] == "lend":
		lend(os.Args[2], os.Args[3])
	case len(os.Args) == 2 && os.Args[1] == "addresses":
		printAddresses()
	default:
		run()
	}
}

// must ends the process, and so the lease, where it cannot begin as it has to.
func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func run() {
	m := newMeter()
	quiet := time.AfterFunc(silence, func() { m.end("its executor was silent") })
	in := bufio.NewReader(os.Stdin)
	order := json.NewDecoder(bytes.NewReader(must(in.ReadBytes('\n'))))
	order.DisallowUnknownFields()
	var l lease
	must(0, order.Decode(&l))
	m.upMost, m.downMost = l.Up, l.Down
	speaks, s := l.Rules[0].Class == "mcp", newSpeaker(&l, m)
	go func() {
		for line, err := in.ReadBytes('\n'); err == nil; line, err = in.ReadBytes('\n') {
			quiet.Reset(silence)
			if speaks && len(line) > 1 {
				s.take(line)
			}
		}
		m.end("its executor let go")
	}()
	time.AfterFunc(time.Until(l.Until), func() { m.end("its time was over") })
	if speaks {
		select {} // its last word ends it
	}
	ca, listener := newAuthority(), borrow(l.Socket)
	say(map[string]any{"ready": ca.pem})
	go m.tick()
	must(0, serve(listener, &l, m, ca))
}

// lend runs in the task's network namespace and is gone before the lease begins: the socket stays there, its holder is outside.
func lend(address, path string) {
	file := must(must(net.Listen("tcp", address)).(*net.TCPListener).File())
	conn, err := net.Dial("unix", path)
	for end := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(end); conn, err = net.Dial("unix", path) {
		time.Sleep(5 * time.Millisecond)
	}
	_, _, err = must(conn, err).(*net.UnixConn).WriteMsgUnix([]byte{0}, syscall.UnixRights(int(file.Fd())), nil)
	must(0, err)
	runtime.KeepAlive(file) // it is closed once nobody needs it any more
}

// borrow takes the one listener that is handed over, and shuts the door behind it.
func borrow(path string) net.Listener {
	door := must(net.Listen("unix", path))
	defer door.Close()
	conn := must(door.Accept()).(*net.UnixConn)
	defer conn.Close()
	rights := make([]byte, syscall.CmsgSpace(4)) // of one file
	_, n, _, _, err := conn.ReadMsgUnix(make([]byte, 1), rights)
	messages := must(syscall.ParseSocketControlMessage(rights[:must(n, err)]))
	files := must(syscall.ParseUnixRights(&messages[0]))
	return must(net.FileListener(os.NewFile(uintptr(files[0]), "lent")))
}

func printAddresses() {
	own := []netip.Prefix{}
	for _, one := range must(net.InterfaceAddrs()) {
		address := must(netip.ParsePrefix(one.String())).Addr()
		own = append(own, netip.PrefixFrom(address, address.BitLen()))
	}
	must(0, json.NewEncoder(os.Stdout).Encode(own))
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
