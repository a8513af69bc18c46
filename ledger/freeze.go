package main

import (
	"net/http"

	"github.com/pocketbase/pocketbase/core"
)

var errAppendOnly = refusal(http.StatusBadRequest, "append_only", "The ledger is append-only: nothing was changed.")

// keepEntries refuses every update and delete of an entry that goes through PocketBase. SQLite's triggers refuse those
// that do not.
func keepEntries(app core.App) {
	refuse := func(*core.RecordEvent) error { return errAppendOnly }
	app.OnRecordUpdate("entries").BindFunc(refuse)
	app.OnRecordDelete("entries").BindFunc(refuse)
}

// freeze ends, once migrations and identities are in place, every change of collections and identities, and whatever
// replaces or rewinds the data. The routes are closed as well; this is what stands if one of them is ever opened.
func freeze(app core.App) {
	collection := func(*core.CollectionEvent) error { return errAppendOnly }
	app.OnCollectionCreate().BindFunc(collection)
	app.OnCollectionUpdate().BindFunc(collection)
	app.OnCollectionDelete().BindFunc(collection)
	app.OnCollectionsImportRequest().BindFunc(func(*core.CollectionsImportRequestEvent) error { return errAppendOnly })
	app.OnBackupRestore().BindFunc(func(*core.BackupEvent) error { return errAppendOnly })
	app.OnSettingsUpdateRequest().BindFunc(func(*core.SettingsUpdateRequestEvent) error { return errAppendOnly })
	identity := func(*core.RecordEvent) error { return errAppendOnly }
	app.OnRecordCreate(identities...).BindFunc(identity)
	app.OnRecordUpdate(identities...).BindFunc(identity)
	app.OnRecordDelete(identities...).BindFunc(identity)
}
