package main

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// secret is what a host is shown in the task's place. It came by stdin and is nowhere else.
type secret struct{ Host, User, Value string }

type ruleKey struct{}

// shown is the secret of the rule that a request goes by, and that rule. A class whose answers the task could choose has none.
func (l *lease) shown(q *http.Request) (*rule, secret, bool) {
	r, _ := q.Context().Value(ruleKey{}).(*rule)
	if r == nil || r.Secret == "" || r.Class == "any" {
		return r, secret{}, false
	}
	s := l.Secrets[r.Secret]
	return r, s, s.Host == r.Host
}

// show puts it into its header, whatever the task itself put there.
func (l *lease) show(q *http.Request) {
	r, s, is := l.shown(q)
	switch {
	case is && r.Class == "read":
		q.Header.Set("Authorization", "Bearer "+s.Value)
	case is:
		q.SetBasicAuth(s.User, s.Value)
		if q.Header.Get("Accept-Encoding") != "" {
			q.Header.Set("Accept-Encoding", "gzip") // what is passed on
		}
	}
}

// quiet passes on what a host that was shown a secret answers as git, and nothing else of it: an answer of another kind, its words
// and any further header could say the secret.
type quiet struct {
	l *lease
	http.RoundTripper
}

var gits = regexp.MustCompile(`^application/x-git-(upload|receive)-pack-(advertisement|result)$`)

// unheard hides who listens for what comes ahead of an answer.
type unheard struct{ context.Context }

func (unheard) Value(any) any { return nil }

func (t quiet) RoundTrip(q *http.Request) (*http.Response, error) {
	r, _, is := t.l.shown(q)
	if !is {
		return t.RoundTripper.RoundTrip(q)
	}
	answer, err := t.RoundTripper.RoundTrip(q.WithContext(unheard{q.Context()}))
	if err != nil {
		return nil, fmt.Errorf("%s could not be reached, or is not who it says", r.Host)
	}
	if !strings.HasPrefix(r.Class, "git-") {
		return answer, nil
	}
	kind, coding := answer.Header.Get("Content-Type"), answer.Header.Get("Content-Encoding")
	if answer.StatusCode != http.StatusOK || !gits.MatchString(kind) || (coding != "" && coding != "gzip") {
		answer.Body.Close()
		return nil, fmt.Errorf("%s answered %d to the secret %s, and not as git does", r.Host, answer.StatusCode, r.Secret)
	}
	passed := http.Header{"Content-Type": {kind}, "Cache-Control": {"no-cache"}}
	if coding != "" {
		passed.Set("Content-Encoding", coding)
	}
	// A copy, so that no trailer comes after it.
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: passed, Body: answer.Body, ContentLength: answer.ContentLength, Request: q,
	}, nil
}
