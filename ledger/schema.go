package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// schemaVersion grows with every migration that an older ledger could not read; no release has written another yet.
const schemaVersion = 1

// unusableError is a state that starting again does not cure.
type unusableError struct{ message string }

func (e *unusableError) Error() string { return e.message }

func schemaFile(dir string) string { return filepath.Join(dir, "schema") }

// checkSchema refuses a data directory that a newer ledger has migrated, before anything in it is opened.
func checkSchema(dir string) error {
	text, err := os.ReadFile(schemaFile(dir))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	found, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || found < 1 {
		return &unusableError{fmt.Sprintf("%s does not hold a schema version: nothing was opened or changed; "+
			"restore the file from a backup of the data", schemaFile(dir))}
	}
	if found > schemaVersion {
		return &unusableError{fmt.Sprintf("the data was written by a newer version (schema %d, this one knows %d): "+
			"nothing was opened or changed; start the newer version again, or restore data of this one", found, schemaVersion)}
	}
	return nil
}

// markSchema leaves the version beside the data once its migrations are through.
func markSchema(dir string) error {
	temporary := schemaFile(dir) + ".new"
	if err := os.WriteFile(temporary, []byte(strconv.Itoa(schemaVersion)+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, schemaFile(dir))
}
