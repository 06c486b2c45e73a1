package bulk_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/stretchr/testify/require"

	"causeway.dev/internal/bulk"
	"causeway.dev/internal/campaign"
	"causeway.dev/sandbox/imports"
)

// keyPair makes a pair as the Control Panel does: RSA.
func keyPair(t *testing.T, at time.Time, life time.Duration) (public, private string) {
	t.Helper()
	e, err := openpgp.NewEntity("acme", "", "", &packet.Config{RSABits: 2048, Time: func() time.Time { return at }, KeyLifetimeSecs: uint32(life.Seconds())})
	require.NoError(t, err)
	armored := func(kind string, write func(io.Writer) error) string {
		var b bytes.Buffer
		w, err := armor.Encode(&b, kind, nil)
		require.NoError(t, err)
		require.NoError(t, write(w))
		require.NoError(t, w.Close())
		return b.String()
	}
	return armored(openpgp.PublicKeyType, e.Serialize), armored(openpgp.PrivateKeyType, func(w io.Writer) error { return e.SerializePrivate(w, nil) })
}

func TestAPartIsEncryptedForTheInstance(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	public, private := keyPair(t, time.Now().Add(-time.Hour), 0)
	require.NoError(t, s.Imports.Build(imports.Workflow{ID: workflow, Resource: "profile", Columns: s.sheet.Columns(), File: s.outbox.File, Results: s.outbox.Results, PrivateKey: private}))
	var err error
	p, content := s.part(t, 50)
	require.NoError(t, s.outbox.Put(t.Context(), p, strings.NewReader(content)))
	require.Equal(t, campaign.WorkflowError, s.tell(t, campaign.StartWorkflow), "a file in clear is not what the step expects")
	require.Equal(t, campaign.WorkflowFinished, s.tell(t, campaign.StopWorkflow))

	s.outbox.Recipient, err = bulk.ParseRecipient([]byte(public), time.Now())
	require.NoError(t, err)
	require.NoError(t, s.outbox.Put(t.Context(), p, strings.NewReader(content)))
	onServer, err := os.ReadFile(filepath.Join(s.SFTPDir, "import", "profile.csv"))
	require.NoError(t, err)
	require.NotContains(t, string(onServer), "causeway_row")
	require.Equal(t, campaign.WorkflowFinished, s.tell(t, campaign.StartWorkflow))
	require.Equal(t, bulk.Counts{Read: 50, Inserted: 50}, s.collect(t, p))

	broken := errors.New("the disk is broken")
	require.NoError(t, s.outbox.Withdraw(t.Context()))
	err = s.outbox.Put(t.Context(), p, io.MultiReader(strings.NewReader(content[:100]), failing{broken}))
	require.Error(t, err)
	there, err := s.outbox.Outstanding(t.Context())
	require.NoError(t, err)
	require.False(t, there, "no half of a part, however well it is encrypted")
	require.Error(t, s.outbox.Put(t.Context(), p, strings.NewReader(content[:100])))
}

func TestWhichKeysEncryptFiles(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	public, private := keyPair(t, now.Add(-48*time.Hour), 24*time.Hour)
	_, err := bulk.ParseRecipient([]byte(public), now.Add(-36*time.Hour))
	require.NoError(t, err)
	for want, key := range map[string]string{"expired": public, "private key": private, "not an armored": "AGE-SECRET-hidden"} {
		_, err := bulk.ParseRecipient([]byte(key), now)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "hidden")
	}
}
