package main

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// rule is one line of the card. Class is read, git-fetch, git-push or any; Path a repository's, or what all is below.
type rule struct {
	Host, Class, Path string
	Port              int
}

// overrides make some origins take one method or path for another, or end HTTP; there, `_` may stand for `-`.
var overrides = []string{
	"upgrade", "x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url",
}

// covers tells whether the lease has a rule for a request that came by a tunnel to this host.
func (l *lease) covers(q *http.Request, tunnel string) bool {
	host := q.TLS.ServerName
	if q.URL.IsAbs() || q.Method == http.MethodConnect || tunnel != host+":443" || (q.Host != host && q.Host != host+":443") {
		return false
	}
	for name := range q.Header {
		if slices.Contains(overrides, strings.ToLower(strings.ReplaceAll(name, "_", "-"))) {
			return false
		}
	}
	for _, r := range l.Rules {
		if r.Host == host && r.Port == 443 && r.allows(q) {
			return true
		}
	}
	return false
}

func (r *rule) allows(q *http.Request) bool {
	switch r.Class {
	case "read":
		plain := (q.Method == http.MethodGet || q.Method == http.MethodHead) && q.ContentLength == 0
		return plain && r.isBelow(q.URL) && !overridden(q.URL.RawQuery)
	case "any":
		return r.isBelow(q.URL)
	case "git-fetch":
		return r.isGit(q, "upload-pack")
	case "git-push":
		return r.isGit(q, "upload-pack") || r.isGit(q, "receive-pack")
	}
	return false
}

// isGit tells whether it is one of the two requests that a service of a repository takes.
func (r *rule) isGit(q *http.Request, service string) bool {
	path := strings.TrimSuffix(r.Path, "/")
	asked := q.Method + " " + q.URL.EscapedPath() + "?" + q.URL.RawQuery
	return asked == "GET "+path+"/info/refs?service=git-"+service || asked == "POST "+path+"/git-"+service+"?"
}

// climbs are what some origin might take for a way out of a path, in lower case.
var climbs = []string{"..", "//", `\`, "%2e", "%2f", "%5c", "%25"}

// isBelow goes by whole segments of the path as it is sent on. What is no UTF-8 may be a dot or slash in more bytes than it takes.
func (r *rule) isBelow(to *url.URL) bool {
	path := to.EscapedPath()
	if r.Path == "/" {
		return strings.HasPrefix(path, "/")
	}
	if !utf8.ValidString(to.Path) {
		return false
	}
	lower := strings.ToLower(path)
	for _, climb := range climbs {
		if strings.Contains(lower, climb) {
			return false
		}
	}
	return path == r.Path || strings.HasPrefix(path, strings.TrimSuffix(r.Path, "/")+"/")
}

// overridden tells whether a query could make a GET something else, or can't be read.
func overridden(query string) bool {
	values, err := url.ParseQuery(query)
	for name := range values {
		if strings.EqualFold(strings.TrimSpace(name), "_method") {
			return true
		}
	}
	return err != nil
}
