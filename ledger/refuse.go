package main

import (
	validation "github.com/pocketbase/ozzo-validation/v4"
	"github.com/pocketbase/pocketbase/tools/router"
)

// refusal is an API error whose code survives PocketBase's formatting of messages: `data.entry.code`.
func refusal(status int, code, message string) error {
	return router.NewApiError(status, message, validation.Errors{"entry": validation.NewError(code, message)})
}
