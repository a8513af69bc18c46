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

// mostSent is how many bytes a file that a person sends has at most.
const mostSent = 32 << 20

var errFile = refusal(http.StatusBadRequest, "transcript",
	"The bytes do not have the SHA-256 and size that the body names: nothing was written.")

// checkFiles holds an entry's file to its body, which is chained: of a result it is the output, complete in the body or in the file and
// never in both; of a request to add a file it is that file. No other entry has one. It runs before the entry's transaction: hashing 1 GiB
// takes seconds.
func checkFiles(app core.App) {
	app.OnRecordCreate("entries").BindFunc(func(e *core.RecordEvent) error {
		files := e.Record.GetUnsavedFiles("transcript")
		size, sum, output, named := stated(e.Record.GetString("kind"), []byte(e.Record.GetString("body")))
		if !named {
			if len(files) > 0 {
				return errFile
			}
			return e.Next()
		}
		has, is, err := hashFile(output, files)
		if err != nil {
			return err
		}
		if has != size || is != sum {
			return errFile
		}
		return e.Next()
	})
}

// stated tells what an entry's body says of its bytes, and whether it has to say that. The bytes of a result may be its output.
func stated(kind string, text []byte) (size int64, sum string, output *string, named bool) {
	var body struct {
		Bytes  int64   `json:"bytes"`
		Sha256 string  `json:"sha256"`
		Output *string `json:"output"`
		Kind   string  `json:"kind"`
		Args   json.RawMessage
	}
	var sent struct {
		Size   int64  `json:"size"`
		Sha256 string `json:"sha256"`
	}
	fits := json.Unmarshal(text, &body) == nil
	switch {
	case slices.Contains(results, kind):
		if fits {
			return body.Bytes, body.Sha256, body.Output, true
		}
	case kind != "requested" || body.Kind != "put_file":
		return 0, "", nil, false
	case json.Unmarshal(body.Args, &sent) == nil && sent.Size <= mostSent:
		return sent.Size, sent.Sha256, nil, true
	}
	return -1, "", nil, true
}

func hashFile(output *string, files []*filesystem.File) (int64, string, error) {
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
		return 0, "", errFile
	}
	hash := sha256.New()
	size, err := io.Copy(hash, reader)
	return size, hex.EncodeToString(hash.Sum(nil)), err
}
