package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/pocketbase/pocketbase/core"
)

// identities are the processes that may log in, an auth collection of one record each.
var identities = []string{"bot", "executor", "operator", "auditor"}

// upsertIdentities gives each identity the password from the JSON file that LEDGER_IDENTITIES names.
func upsertIdentities(app core.App) error {
	passwords, err := readPasswords(os.Getenv("LEDGER_IDENTITIES"))
	if err != nil {
		return &unusableError{err.Error() + ": the ledger was not started; run the set-up again"}
	}
	for _, name := range identities {
		if err := upsertIdentity(app, name, passwords[name]); err != nil {
			return fmt.Errorf("identity %s: %w", name, err)
		}
	}
	return nil
}

func readPasswords(file string) (map[string]string, error) {
	if file == "" {
		return nil, fmt.Errorf("LEDGER_IDENTITIES does not name a file")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the identities can't be read: %w", err)
	}
	var passwords map[string]string
	if err := json.Unmarshal(text, &passwords); err != nil {
		return nil, fmt.Errorf("%s is not a JSON object of passwords", file)
	}
	for _, name := range identities {
		if len(passwords[name]) < 16 {
			return nil, fmt.Errorf("%s has no password of 16 characters or more for %q", file, name)
		}
	}
	return passwords, nil
}

func upsertIdentity(app core.App, name, password string) error {
	collection, err := app.FindCollectionByNameOrId(name)
	if err != nil {
		return err
	}
	records, err := app.FindAllRecords(collection)
	if err != nil {
		return err
	}
	if len(records) > 1 {
		return &unusableError{fmt.Sprintf("%d records can log in as %s, one is expected: the ledger was not started; "+
			"somebody changed its file, so audit a copy of it before going on", len(records), name)}
	}
	record := core.NewRecord(collection)
	if len(records) == 1 {
		record = records[0]
		// Setting the same password again would end every open session for nothing.
		if record.ValidatePassword(password) {
			return nil
		}
	}
	record.SetEmail(name + "@ledger.invalid")
	record.SetVerified(true)
	record.SetPassword(password)
	return app.Save(record)
}
