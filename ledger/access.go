package main

import (
	"net/http"
	"strings"

	"github.com/pocketbase/pocketbase/core"
)

// Everything that is not listed here is closed, for everybody. Superusers look, by any GET; they change nothing: not by
// records, collections, import, truncate, backups, settings, SQL, nor by taking on or re-keying an identity.
var (
	openToAll = set(
		"/", // answers 404
		"GET /api/health",
		"GET /metrics",      // numbers alone, to programs of this machine
		"GET /api/realtime", // says nothing before a subscription, which needs an identity
		"GET /api/files/{collection}/{recordId}/{filename}", // needs a file token of somebody who may see the entry
		"GET /api/collections/{collection}/auth-methods",
		"POST /api/collections/{collection}/auth-with-password",
	)
	openToIdentities = set(
		"GET /api/collections/{collection}/records",
		"GET /api/collections/{collection}/records/{id}",
		"POST /api/collections/{collection}/records",
		"POST /api/collections/{collection}/auth-refresh",
		"POST /api/files/token",
		"POST /api/realtime",
		"POST /api/live",
		"POST /api/metrics",
	)
	openToSuperusers = set(
		"POST /api/collections/{collection}/auth-refresh",
		"POST /api/files/token",
		"POST /api/realtime",
	)
)

func set(patterns ...string) map[string]bool {
	s := make(map[string]bool, len(patterns))
	for _, p := range patterns {
		s[p] = true
	}
	return s
}

// mayPass tells whether a route's pattern is open to whoever calls; auth is nil for nobody in particular.
func mayPass(pattern string, auth *core.Record) bool {
	if openToAll[pattern] || pageFiles[pattern] != "" || strings.HasPrefix(pattern, "GET /_/") {
		return true
	}
	if auth == nil {
		return false
	}
	if auth.IsSuperuser() {
		return strings.HasPrefix(pattern, "GET ") || openToSuperusers[pattern]
	}
	return openToIdentities[pattern]
}

// guardRoutes turns away what is not open. An expired token gets a 401 here: PocketBase would take its holder for a
// guest, to whom the ledger looks empty. Nothing of the ledger stays in a browser's cache.
func guardRoutes(e *core.ServeEvent) {
	e.Router.BindFunc(func(r *core.RequestEvent) error {
		r.Response.Header().Set("Cache-Control", "no-store")
		if mayPass(r.Request.Pattern, r.Auth) {
			return r.Next()
		}
		if r.Auth == nil {
			return refusal(http.StatusUnauthorized, "unauthorized", "Log in first: nothing was done.")
		}
		return refusal(http.StatusForbidden, "closed", "The ledger is append-only and this way is closed: nothing was done.")
	})
}
