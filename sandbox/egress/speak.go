package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"
)

// speaker brings messages to the one tool server of a lease (MCP's Streamable HTTP), which has its URL, and says what comes back.
type speaker struct {
	*lease
	m                *meter
	client           http.Client
	mu               sync.Mutex
	session, version string
}

// said is a line with a message of the server's.
type said struct {
	Said json.RawMessage `json:"said"`
}

// mostMessage is how long a message may be, in bytes.
const mostMessage = 4 << 20

func newSpeaker(l *lease, m *meter) *speaker {
	// Where a redirect leads nobody approved.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &speaker{lease: l, m: m, client: http.Client{Transport: l.transport(m), CheckRedirect: stay}}
}

// take sends a line. What nobody answers is there before the next one goes.
func (s *speaker) take(line []byte) {
	var message struct {
		ID     json.RawMessage
		Method string
	}
	_ = json.Unmarshal(line, &message)
	if message.ID != nil {
		go s.post(context.Background(), line, message.ID, message.Method)
		return
	}
	soon, cancel := context.WithTimeout(context.Background(), silence-5*time.Second)
	defer cancel()
	s.post(soon, line, nil, message.Method)
}

// post sends a message once, and says each that is answered. Where that breaks off nobody knows what came of it: so all ends.
func (s *speaker) post(c context.Context, message []byte, id json.RawMessage, method string) {
	r := &s.Rules[0]
	q := must(http.NewRequestWithContext(context.WithValue(c, ruleKey{}, r), http.MethodPost, "https://"+r.Host+r.Path, bytes.NewReader(message)))
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("Accept", "application/json, text/event-stream")
	s.mu.Lock()
	for name, value := range map[string]string{"Mcp-Session-Id": s.session, "Mcp-Protocol-Version": s.version} {
		if value != "" {
			q.Header.Set(name, value)
		}
	}
	s.mu.Unlock()
	s.show(q)
	answer, err := s.client.Do(q)
	if err != nil {
		s.m.end(fmt.Sprintf("%s could not be reached, or not to the end: %v", r.Host, err))
		return
	}
	defer answer.Body.Close()
	if id == nil {
		return
	}
	if answer.StatusCode != http.StatusOK {
		why := fmt.Sprintf("%s answered %d", r.Host, answer.StatusCode)
		if answer.StatusCode/100 == 3 {
			why += "; where that leads is not followed"
		}
		s.say(must(json.Marshal(map[string]any{"jsonrpc": "2.0", "id": id, "error": map[string]any{"code": -32000, "message": why}})))
		return
	}
	answered := false
	each := func(text []byte) {
		var told struct {
			ID     json.RawMessage
			Method string
			Result struct{ ProtocolVersion string }
		}
		if json.Unmarshal(text, &told) != nil {
			return
		}
		if told.Method == "" && bytes.Equal(told.ID, id) {
			answered = true
		}
		if answered && method == "initialize" {
			s.mu.Lock()
			s.session, s.version = answer.Header.Get("Mcp-Session-Id"), told.Result.ProtocolVersion
			s.mu.Unlock()
		}
		s.say(text)
	}
	if kind, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type")); kind == "text/event-stream" {
		events(answer.Body, func(text []byte) bool { each(text); return !answered })
	} else if text, err := io.ReadAll(io.LimitReader(answer.Body, mostMessage)); err == nil {
		each(text)
	}
	if !answered {
		s.m.end(r.Host + " did not answer to the end")
	}
}

// events gives the data of each event, until one is the last (HTML, 9.2.6).
func events(from io.Reader, more func([]byte) bool) {
	in := bufio.NewScanner(from)
	in.Buffer(nil, mostMessage)
	for data := []byte(nil); in.Scan(); {
		line := in.Bytes()
		if value, is := bytes.CutPrefix(line, []byte("data:")); is && len(data)+len(value) <= mostMessage {
			data = append(append(data, value...), '\n')
		}
		if len(line) > 0 || len(data) == 0 {
			continue
		}
		if !more(data) {
			return
		}
		data = nil
	}
}

// say prints a message, without the secret where the server says it: some do so where they refuse it.
func (s *speaker) say(text []byte) {
	if _, shown, is := s.shownBy(&s.Rules[0]); is && shown.Value != "" {
		text = []byte(strings.NewReplacer(shown.Value, "[secret]", strings.ReplaceAll(shown.Value, "/", `\/`), "[secret]").Replace(string(text)))
	}
	lines <- said{text}
}
