package e2e

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/sandbox/imports"
	"causeway.dev/sandbox/stack"
)

// A first load by file, whose worker is killed again and again while a file is outstanding:
// nothing is lost, Campaign holds what REST would have written, and the changes go on.
func TestAFirstLoadByFileSurvivesKills(t *testing.T) {
	t.Parallel()
	sftp := ""
	w := newWorld(t, worldOptions{contacts: 1500, pageSize: 500, boxes: func(b *stack.Stack) {
		host, port, err := net.SplitHostPort(b.SFTPAddress)
		require.NoError(t, err)
		sftp = fmt.Sprintf("  sftp: {host: %s, port: %s, user: %s, key: \"file:%s\", known_hosts: %s}\n", host, port, b.SFTPUser, b.SFTPKeyFile, b.SFTPKnownHostsFile)
		require.NoError(t, b.Imports.Build(imports.Workflow{ID: "WKF17", Resource: "profile", File: "import/contacts.csv", Results: "import/results",
			Columns: []string{"causeway_file", "causeway_row", "birthDate", "email", "externalId", "firstName", "lastName", "location_city", "location_zipCode", "mobilePhone"}}))
	}, yaml: func(s string) string {
		s = strings.Replace(s, "ledger:\n", sftp+"ledger:\n", 1)
		return strings.Replace(s, "ingress:\n", "ingress:\n  files: {poll_every: 1s, settles_after: 20s, tables: {contacts: {workflow: WKF17, file: import/contacts.csv, results: import/results}}}\n", 1)
	}})
	p := w.startWorker()
	code, _, stderr := w.causeway("start", "contacts", "--by", "file")
	require.Zero(t, code, stderr)
	for kill := range 3 {
		require.Eventually(t, func() bool {
			files, err := filepath.Glob(filepath.Join(w.boxes.SFTPDir, "import", "contacts.csv"))
			return err == nil && len(files) == 1 || w.profileCount() == 1500
		}, settleWithin, 20*time.Millisecond, "no file for kill %d; worker log:\n%s", kill, w.tail())
		p.kill()
		p = w.startWorker()
	}
	st := w.loaded()
	require.Equal(t, int64(1500), st.Totals.Created+st.Totals.Updated, "%+v", st.Totals)
	require.Empty(t, w.differences(10))
	require.Less(t, w.engineCalls(), int64(1200), "by REST it is a call for each of the 1,500")
	var left []string
	for _, pattern := range []string{"import/*.csv", "import/.*", "import/results/*"} {
		found, err := filepath.Glob(filepath.Join(w.boxes.SFTPDir, pattern))
		require.NoError(t, err)
		left = append(left, found...)
	}
	require.Empty(t, left, "personal data stays on the server")
	w.edit(w.ids()[1200], map[string]any{"address1_city": "Nebelheim"})
	w.inStep()
	w.noPersonalData()
}
