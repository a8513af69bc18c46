package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/filesystem"
)

var results = []string{"succeeded", "failed", "killed"}

var errTranscript = refusal(http.StatusBadRequest, "transcript",
	"The output does not have the SHA-256 and size that the body names: nothing was written.")

// checkTranscripts holds a result's body to its output: complete in the body or in the file, never in both, and of the
// size and SHA-256 that the chained body names. It runs before the entry's transaction: hashing 1 GiB takes seconds.
func checkTranscripts(app core.App) {
	app.OnRecordCreate("entries").BindFunc(func(e *core.RecordEvent) error {
		files := e.Record.GetUnsavedFiles("transcript")
		if !slices.Contains(results, e.Record.GetString("kind")) {
			if len(files) > 0 {
				return errTranscript
			}
			return e.Next()
		}
		var body struct {
			Bytes  int64   `json:"bytes"`
			Sha256 string  `json:"sha256"`
			Output *string `json:"output"`
		}
		if err := json.Unmarshal([]byte(e.Record.GetString("body")), &body); err != nil {
			return errTranscript
		}
		size, sum, err := hashOutput(body.Output, files)
		if err != nil {
			return err
		}
		if size != body.Bytes || sum != body.Sha256 {
			return errTranscript
		}
		return e.Next()
	})
}

func hashOutput(output *string, files []*filesystem.File) (int64, string, error) {
	var reader io.Reader
	switch {
	case output != nil && len(files) == 0:
		reader = strings.NewReader(*output)
	case output == nil && len(files) == 1:
		file, err := files[0].Reader.Open()
		if err != nil {
			return 0, "", err
		}
		defer file.Close()
		reader = file
	default:
		return 0, "", errTranscript
	}
	hash := sha256.New()
	size, err := io.Copy(hash, reader)
	return size, hex.EncodeToString(hash.Sum(nil)), err
}
