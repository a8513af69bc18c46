package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// speaker brings messages to the one tool server that its lease is for (MCP's Streamable HTTP), and prints what comes back.
type speaker struct {
	host, url string
	client    http.Client
	m         *meter
	strike    *strings.Replacer
	headers   http.Header // of each request
}

// message is what is looked at of one, of ours or the server's.
type message struct {
	ID     json.RawMessage
	Method string
	Result struct{ ProtocolVersion string }
}

// Codes of errors in a server's place: it answered by this status; nobody knows what came of it, so all ends.
const statusCode, lostCode = -32000, -32099

// mostMessage is how long a message may be, in bytes.
const mostMessage = 4 << 20

func newSpeaker(l *lease, m *meter) *speaker {
	r := l.Rules[0]
	s := &speaker{host: r.Host, url: "https://" + r.Host + r.Path, m: m, strike: strings.NewReplacer()}
	// Where a redirect leads nobody approved.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s.client = http.Client{Transport: l.transport(m), CheckRedirect: stay}
	s.headers = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}}
	if value := l.Secrets[r.Secret].Value; value != "" {
		s.headers.Set("Authorization", "Bearer "+value)
		s.strike = strings.NewReplacer(value, "[secret]", strings.ReplaceAll(value, "/", `\/`), "[secret]")
	}
	return s
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
	open := asked.ID != nil
	take := func(text []byte) {
		var told message
		_ = json.Unmarshal(text, &told) // of what is none, or odd, nothing is known, and what is none is not printed
		open = told.Method != "" || !bytes.Equal(told.ID, asked.ID)
		if !open && asked.Method == "initialize" {
			s.headers["Mcp-Session-Id"] = answer.Header.Values("Mcp-Session-Id") // nothing else is under way then
			s.headers.Set("Mcp-Protocol-Version", told.Result.ProtocolVersion)
		}
		lines <- json.RawMessage(s.strike.Replace(string(text)))
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

func (s *speaker) fail(asked message, code int, why string) {
	lines <- map[string]any{"jsonrpc": "2.0", "id": asked.ID, "error": map[string]any{"code": code, "message": why}}
	if code == lostCode {
		s.m.end(why)
	}
}
