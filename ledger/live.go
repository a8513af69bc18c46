package main

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/subscriptions"
)

const (
	liveTopic = "live"
	liveStore = "live"
	// Chunks that wait for one subscriber; more are dropped, for live output is a convenience and the result has all.
	liveQueue = 256
	liveLimit = 256 << 10
	// A subscriber that takes nothing for so long is cut off; it pulls what it missed when it is back.
	stallLimit = 10 * time.Second
)

type liveChunk struct {
	Action string `json:"action"`
	Chunk  string `json:"chunk"` // base64
}

func isIdentity(auth *core.Record, name string) bool {
	return auth != nil && auth.Collection().Name == name
}

// boundStreams gives each realtime connection a queue of its own for live output and a limit on stalling: PocketBase's
// own channel has no buffer, so one stalled reader would hold up whoever sends.
func boundStreams(app core.App) {
	app.OnRealtimeConnectRequest().BindFunc(func(e *core.RealtimeConnectRequestEvent) error {
		queue, done := make(chan subscriptions.Message, liveQueue), make(chan struct{})
		defer close(done)
		e.Client.Set(liveStore, queue)
		go func() {
			for {
				select {
				case message := <-queue:
					e.Client.Send(message)
				case <-done:
					return
				}
			}
		}()
		return e.Next()
	})
	app.OnRealtimeMessageSend().BindFunc(func(e *core.RealtimeMessageEvent) error {
		if err := http.NewResponseController(e.Response).SetWriteDeadline(time.Now().Add(stallLimit)); err != nil {
			return err
		}
		return e.Next()
	})
	app.OnRealtimeSubscribeRequest().BindFunc(func(e *core.RealtimeSubscribeRequestEvent) error {
		for _, topic := range e.Subscriptions {
			if topic == liveTopic && !isIdentity(e.Auth, "bot") {
				return refusal(http.StatusForbidden, "not_allowed", "Only the bot follows live output.")
			}
		}
		return e.Next()
	})
}

// serveLive takes a running action's output from the executor and passes it to the bot, dropping rather than waiting.
func serveLive(e *core.ServeEvent) {
	e.Router.POST("/api/live", func(r *core.RequestEvent) error {
		if !isIdentity(r.Auth, "executor") {
			return refusal(http.StatusForbidden, "not_allowed", "Only the executor sends live output.")
		}
		var chunk liveChunk
		if err := r.BindBody(&chunk); err != nil {
			return r.BadRequestError("", err)
		}
		// Written anew, so that nothing in it can break out of the event stream's framing.
		data, err := json.Marshal(chunk)
		if err != nil {
			return err
		}
		for _, client := range r.App.SubscriptionsBroker().Clients() {
			auth, _ := client.Get(apis.RealtimeClientAuthKey).(*core.Record)
			queue, _ := client.Get(liveStore).(chan subscriptions.Message)
			if !client.HasSubscription(liveTopic) || !isIdentity(auth, "bot") {
				continue
			}
			select {
			case queue <- subscriptions.Message{Name: liveTopic, Data: data}:
			default:
			}
		}
		return r.NoContent(http.StatusNoContent)
	}).Bind(apis.BodyLimit(liveLimit))
}
