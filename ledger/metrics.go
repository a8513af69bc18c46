package main

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"
)

const (
	metricsLimit = 256 << 10
	// The bot tells its figures every ten seconds. Older ones would pass for what is now.
	metricsFresh  = 30 * time.Second
	metricsSilent = "pocketcoder_bot_silent_seconds"
)

// figures are what the bot told last, in Prometheus's text form.
type figures struct {
	Text string `json:"text"`
	at   time.Time
}

// Whoever passes requests on says so by one of these, unless told not to.
var passedOn = []string{"Origin", "Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip"}

// isOfThisMachine tells whether a program asked by the loopback port: a page in a browser states its origin, or comes by a name that
// it made up for this address; a proxy in front of it says whose request it passes on.
func isOfThisMachine(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.Host)
	said := func(name string) bool { return r.Header.Get(name) != "" }
	return err == nil && (host == "127.0.0.1" || host == "localhost") && !slices.ContainsFunc(passedOn, said)
}

// serveMetrics takes the bot's figures and gives them out: so no other part listens for it, and nothing is served
// before a bot whose settings say so told any. They are numbers of the whole instance alone.
func serveMetrics(e *core.ServeEvent) {
	var told atomic.Pointer[figures]
	e.Router.POST("/api/metrics", func(r *core.RequestEvent) error {
		if !isIdentity(r.Auth, "bot") {
			return refusal(http.StatusForbidden, "not_allowed", "Only the bot tells figures.")
		}
		now := &figures{at: time.Now()}
		if err := r.BindBody(now); err != nil {
			return r.BadRequestError("", err)
		}
		told.Store(now)
		return r.NoContent(http.StatusNoContent)
	}).Bind(apis.BodyLimit(metricsLimit))
	e.Router.GET("/metrics", func(r *core.RequestEvent) error {
		last := told.Load()
		if last == nil || !isOfThisMachine(r.Request) {
			return r.NotFoundError("No figures: `metrics: true` in pocketcoder.yaml has them told, to programs of this machine.", nil)
		}
		silent := time.Since(last.at)
		text := fmt.Sprintf("# HELP %[1]s Since the bot last told its figures.\n# TYPE %[1]s gauge\n%[1]s %[2]g\n", metricsSilent, silent.Seconds())
		if silent < metricsFresh {
			text += last.Text
		}
		return r.Blob(http.StatusOK, "text/plain; version=0.0.4; charset=utf-8", []byte(text))
	})
}
