package main

import (
	"net"
	"os"
	"sync"
	"time"
)

// meter counts the bytes of all sockets to the outside, TLS and all, and ends the process where either way is used up.
type meter struct {
	sync.Mutex
	up, down, upMost, downMost int64
	over                       bool
	conns                      map[*counted]struct{}
	under                      sync.WaitGroup // reads and writes that are under way
}

// lastWord is the last line of a lease.
type lastWord struct {
	End  string `json:"end"`
	Up   int64  `json:"up"`
	Down int64  `json:"down"`
}

func newMeter() *meter { return &meter{conns: map[*counted]struct{}{}} }

// end is the end of the process: nothing passes after it began, and what passed until then is counted to the byte.
func (m *meter) end(why string) {
	m.Lock()
	if m.over {
		m.Unlock()
		return
	}
	m.over = true
	for c := range m.conns {
		_ = c.Conn.SetDeadline(time.Unix(1, 0)) // what is under way returns with what it did
	}
	m.Unlock()
	time.AfterFunc(time.Second, func() { os.Exit(0) }) // whoever reads the last line, or not
	idle := make(chan struct{})
	go func() { m.under.Wait(); close(idle) }()
	select {
	case <-idle:
	case <-time.After(100 * time.Millisecond):
	}
	m.Lock() // for ever
	lines <- lastWord{why, m.up, m.down}
}

// tick prints the counts every second, so that those of a killed proxy are near, and lets further refusals be told.
func (m *meter) tick() {
	for up, down := int64(0), int64(0); ; time.Sleep(time.Second) {
		spare.Store(10)
		m.Lock()
		changed := m.up != up || m.down != down
		up, down = m.up, m.down
		m.Unlock()
		if changed {
			say(map[string]int64{"up": up, "down": down})
		}
	}
}

// counted is one socket to the outside.
type counted struct {
	net.Conn
	m *meter
}

func (m *meter) count(conn net.Conn) net.Conn {
	c := &counted{conn, m}
	m.Lock()
	defer m.Unlock()
	m.conns[c] = struct{}{}
	return c
}

func (c *counted) Close() error {
	c.m.Lock()
	delete(c.m.conns, c)
	c.m.Unlock()
	return c.Conn.Close()
}

// begin reserves up to n bytes of what is left; false where the lease is over.
func (m *meter) begin(used *int64, most int64, n int) (int, bool) {
	m.Lock()
	defer m.Unlock()
	if m.over {
		return 0, false
	}
	n = int(min(int64(n), most-*used))
	*used += int64(n)
	m.under.Add(1)
	return n, true
}

// done gives back what was reserved and not used.
func (m *meter) done(used *int64, unused int) {
	m.Lock()
	*used -= int64(unused)
	m.Unlock()
	m.under.Done()
}

func (c *counted) Write(p []byte) (int, error) {
	n, open := c.m.begin(&c.m.up, c.m.upMost, len(p))
	if !open {
		return 0, os.ErrDeadlineExceeded
	}
	sent, err := c.Conn.Write(p[:n])
	c.m.done(&c.m.up, n-sent)
	if n < len(p) {
		go c.m.end("its bytes up were used up")
		return sent, os.ErrDeadlineExceeded
	}
	return sent, err
}

// Read counts what came: a reader that waits has nothing reserved.
func (c *counted) Read(p []byte) (int, error) {
	if _, open := c.m.begin(&c.m.down, c.m.downMost, 0); !open {
		return 0, os.ErrDeadlineExceeded
	}
	got, err := c.Conn.Read(p)
	c.m.Lock()
	n := int(min(int64(got), c.m.downMost-c.m.down))
	c.m.down += int64(n)
	c.m.Unlock()
	c.m.under.Done()
	if n < got {
		go c.m.end("its bytes down were used up")
		return n, os.ErrDeadlineExceeded
	}
	return got, err
}
