package main

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pocketbase/pocketbase/core"
)

// pageFiles are the timeline's own, by their routes, and open to all: what they show comes with a token only. Nothing else of pb_public
// is served.
var pageFiles = map[string]string{
	"GET /{$}":           "index.html",
	"GET /style.css":     "style.css",
	"GET /main.js":       "main.js",
	"GET /ledger.js":     "ledger.js",
	"GET /find.js":       "find.js",
	"GET /chain.js":      "chain.js",
	"GET /story.js":      "story.js",
	"GET /difference.js": "difference.js",
	"GET /figures.js":    "figures.js",
	"GET /show.js":       "show.js",
}

// pageHeaders let the page run its own files and ask its own ledger, and nothing else. Text of the ledger is hostile: with no trusted types
// a browser refuses to read any text as markup.
var pageHeaders = map[string]string{
	"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
	"X-Content-Type-Options":       "nosniff",
	"Referrer-Policy":              "no-referrer",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
}

// lookFor is how long somebody who was let in looks: that token is in an address, and can't be renewed.
const lookFor = 8 * time.Hour

// servePage serves the timeline's files.
func servePage(e *core.ServeEvent) {
	public := os.DirFS(filepath.Join(home(), "pb_public"))
	for pattern, name := range pageFiles {
		e.Router.GET(strings.TrimPrefix(pattern, "GET "), func(r *core.RequestEvent) error {
			for header, value := range pageHeaders {
				r.Response.Header().Set(header, value)
			}
			return r.FileFS(public, name)
		})
	}
}

// lendLooks gives whoever logs in as the auditor with `?look` a token for an address in place of the usual one, which lasts a week.
func lendLooks(app core.App) {
	app.OnRecordAuthRequest("auditor").BindFunc(func(e *core.RecordAuthRequestEvent) error {
		if e.AuthMethod == "password" && e.Request.URL.Query().Has("look") {
			token, err := e.Record.NewStaticAuthToken(lookFor)
			if err != nil {
				return err
			}
			e.Token = token
		}
		return e.Next()
	})
}
