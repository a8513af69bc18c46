package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
)

// speaker brings messages to the one tool server that its lease is for (MCP's Streamable HTTP), and prints what comes back.
type speaker struct {
	host, url string
	client    http.Client
	m         *meter
	strike    *regexp.Regexp // its secret; nil where there is none
	headers   http.Header    // of each request
}

// message is what is looked at of one, of ours or the server's.
type message struct {
	ID     json.RawMessage
	Method string
	Result struct{ ProtocolVersion string }
}

// asks tells a request from what nobody answers: a word by the way, and an answer of ours, whose id is the server's.
func (m *message) asks() bool { return m.ID != nil && m.Method != "" }

// Codes of errors in a server's place: it answered by this status; nobody knows what came of it, so all ends.
const statusCode, lostCode = -32000, -32099

// mostMessage is how long a message may be, in bytes.
const mostMessage = 4 << 20

func newSpeaker(l *lease, m *meter) *speaker {
	r := l.Rules[0]
	s := &speaker{host: r.Host, url: "https://" + r.Host + r.Path, m: m}
	// Where a redirect leads nobody approved.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s.client = http.Client{Transport: l.transport(m), CheckRedirect: stay}
	s.headers = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}}
	if value := l.Secrets[r.Secret].Value; value != "" {
		s.headers.Set("Authorization", "Bearer "+value)
		// Within a string that is JSON again, to any depth, a sign may stand as an escape, and so may the backslash of that.
		const slash = `\\(?i:u005c)*`
		var all strings.Builder
		for _, c := range value {
			fmt.Fprintf(&all, `(?:(?:%s)*%s|(?:%s)+(?i:u%04x))`, slash, regexp.QuoteMeta(string(c)), slash, c)
		}
		s.strike = regexp.MustCompile(all.String())
	}
	return s
}

// atoms are the strings and numbers of what is JSON: nowhere else stands what a server chose.
var atoms = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|[-+.0-9Ee]+`)

// struck is a message without the secret. A tree of it could be larger than the memory; all else stays to the letter.
func (s *speaker) struck(text []byte) json.RawMessage {
	if s.strike == nil {
		return bytes.Clone(text) // what it stands in is used again
	}
	return atoms.ReplaceAllFunc(text, func(atom []byte) []byte {
		said := string(atom)
		_ = json.Unmarshal(atom, &said) // a number stays as it stands
		if !s.strike.MatchString(said) {
			return atom
		}
		return must(json.Marshal(s.strike.ReplaceAllLiteralString(said, "[secret]")))
	})
}

// take sends a line. What nobody answers is there before the next one goes, or within the executor's silence.
func (s *speaker) take(line []byte) {
	var asked message
	_ = json.Unmarshal(line, &asked)
	if asked.ID == nil {
		s.post(line, asked)
		return
	}
	go s.post(line, asked)
}

// post sends a message once, and prints each that is answered, without the secret: some servers say what they refuse.
func (s *speaker) post(line []byte, asked message) {
	q := must(http.NewRequest(http.MethodPost, s.url, bytes.NewReader(line)))
	q.Header = s.headers.Clone()
	answer, err := s.client.Do(q)
	if err != nil {
		s.fail(asked, lostCode, fmt.Sprintf("%s could not be reached, or not to the end: %v", s.host, err))
		return
	}
	defer answer.Body.Close()
	open := asked.asks()
	take := func(text []byte) {
		var told message
		_ = json.Unmarshal(text, &told) // of what is none, or odd, nothing is known, and what is none is not printed
		open = told.Method != "" || !bytes.Equal(told.ID, asked.ID)
		if !open && asked.Method == "initialize" {
			s.headers["Mcp-Session-Id"] = answer.Header.Values("Mcp-Session-Id") // nothing else is under way then
			s.headers.Set("Mcp-Protocol-Version", told.Result.ProtocolVersion)
		}
		lines <- s.struck(text)
	}
	switch {
	case !open:
		return
	case answer.StatusCode != http.StatusOK:
		s.fail(asked, statusCode, fmt.Sprintf("%s answered %d; no redirect is followed", s.host, answer.StatusCode))
		return
	case strings.HasPrefix(answer.Header.Get("Content-Type"), "text/event-stream"):
		// Of an event its data alone counts, and a message stands in one line of it.
		in := bufio.NewScanner(answer.Body)
		for in.Buffer(nil, mostMessage); open && in.Scan(); {
			if data, is := bytes.CutPrefix(in.Bytes(), []byte("data:")); is {
				take(data)
			}
		}
	default:
		text, _ := io.ReadAll(io.LimitReader(answer.Body, mostMessage))
		take(text)
	}
	if open {
		s.fail(asked, lostCode, s.host+" did not answer to the end")
	}
}

// fail answers a request in the server's place.
func (s *speaker) fail(asked message, code int, why string) {
	if !asked.asks() {
		return
	}
	lines <- map[string]any{"jsonrpc": "2.0", "id": asked.ID, "error": map[string]any{"code": code, "message": why}}
	if code == lostCode {
		s.m.end(why)
	}
}
