// Command ledger is PocketBase with durable commits, the entries' hooks and migrations, and every way around them closed.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase"
	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/plugins/jsvm"
)

// PocketBase's own settings but for synchronous: NORMAL may lose acknowledged entries when the power goes.
const pragmas = "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=journal_size_limit(200000000)" +
	"&_pragma=synchronous(FULL)&_pragma=foreign_keys(ON)&_pragma=temp_store(MEMORY)&_pragma=cache_size(-32000)&_defensive=1"

// exitUnusable is sysexits' EX_CONFIG: starting again changes nothing until a person did something.
const exitUnusable = 78

func connect(path string) (*dbx.DB, error) { return dbx.Open("sqlite", path+pragmas) }

// home is the folder that holds the binary, pb_hooks, pb_migrations, pb_public and rules.
func home() string {
	binary, err := os.Executable()
	if err != nil {
		return "."
	}
	return filepath.Dir(binary)
}

func main() {
	app := pocketbase.NewWithConfig(pocketbase.Config{DefaultDataDir: "/data", DBConnect: connect, HideStartBanner: true})
	if err := run(app); err != nil {
		fmt.Fprintln(os.Stderr, "ledger: "+err.Error())
		var unusable *unusableError
		if errors.As(err, &unusable) {
			os.Exit(exitUnusable)
		}
		os.Exit(1)
	}
}

// spoolOnDisk has what comes as a file wait beside the data until it is read whole, and takes away what a crash left of that: /tmp is
// memory in the ledger's container, less than an output may have.
func spoolOnDisk(data string) error {
	spool := filepath.Join(data, "spool")
	if err := os.RemoveAll(spool); err != nil {
		return err
	}
	return errors.Join(os.Mkdir(spool, 0o700), os.Setenv("TMPDIR", spool))
}

func run(app *pocketbase.PocketBase) error {
	if err := checkSchema(app.DataDir()); err != nil {
		return err
	}
	hooks, migrations := filepath.Join(home(), "pb_hooks"), filepath.Join(home(), "pb_migrations")
	// Without its hooks PocketBase would store whatever comes, unjudged.
	if _, err := os.Stat(filepath.Join(hooks, "entries.pb.js")); err != nil {
		return &unusableError{"its hooks are missing (" + hooks + "): nothing was started; build the image again"}
	}
	checkFiles(app)
	keepEntries(app)
	boundStreams(app)
	lendLooks(app)
	app.OnServe().BindFunc(func(e *core.ServeEvent) error {
		e.InstallerFunc = nil // it would print a link that makes a superuser
		if err := spoolOnDisk(e.App.DataDir()); err != nil {
			return err
		}
		if err := upsertIdentities(e.App); err != nil {
			return err
		}
		if err := markSchema(e.App.DataDir()); err != nil {
			return err
		}
		freeze(e.App)
		guardRoutes(e)
		serveLive(e)
		serveMetrics(e)
		servePage(e)
		return e.Next()
	})
	// A pool of 15 machines: without one, each call would start a JavaScript engine of its own.
	jsvm.MustRegister(app, jsvm.Config{HooksDir: hooks, MigrationsDir: migrations, HooksPoolSize: 15})
	return app.Start()
}
