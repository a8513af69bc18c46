package main

import (
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"
)

const (
	metricsLimit = 256 << 10
	// The bot tells its figures every ten seconds. Older ones would pass for what is now.
	metricsFresh = 30 * time.Second
)

// figures are what the bot told last, in Prometheus's text form.
type figures struct {
	Text string `json:"text"`
	at   time.Time
}

// isOfThisMachine tells whether a program asked by the loopback port: a page in a browser states its origin, or comes by a name that
// it made up for this address.
func isOfThisMachine(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.Host)
	return err == nil && (host == "127.0.0.1" || host == "localhost") && r.Header.Get("Origin") == ""
}

// serveMetrics takes the bot's figures and gives them out with the ledger's own: so no other part listens for it, and nothing is served
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
		var entries int64
		if err := r.App.DB().NewQuery("SELECT coalesce(max(seq), 0) FROM entries").Row(&entries); err != nil {
			return err
		}
		var disk syscall.Statfs_t
		if err := syscall.Statfs(r.App.DataDir(), &disk); err != nil {
			return err
		}
		silent := time.Since(last.at)
		text := gauge("pocketcoder_ledger_entries", "Entries of the chain.", float64(entries)) +
			gauge("pocketcoder_ledger_disk_free_bytes", "Room left on the ledger's disk.", float64(disk.Bavail)*float64(disk.Bsize)) +
			gauge("pocketcoder_bot_silent_seconds", "Since the bot last told its figures.", silent.Seconds())
		if silent < metricsFresh {
			text += last.Text
		}
		return r.Blob(http.StatusOK, "text/plain; version=0.0.4; charset=utf-8", []byte(text))
	})
}

func gauge(name, help string, value float64) string {
	return fmt.Sprintf("# HELP %s %s\n# TYPE %s gauge\n%s %g\n", name, help, name, name, value)
}
