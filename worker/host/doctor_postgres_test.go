package host

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/doctor"
	"causeway.dev/internal/ledger/ledgertest"
)

// The clock of a PostgreSQL server is compared with ours; its disk and its backups are not
// seen from here, and the check says so.
func TestTheDoctorLooksAtPostgreSQL(t *testing.T) {
	t.Parallel()
	o := ledgertest.Postgres(t)
	o.Keys = ledgertest.Keys
	p := newPatient(t, disease{})
	p.ledger = ledgertest.Open(t, o)
	in := activities.DoctorInput{Areas: []string{activities.AreaLedger, activities.AreaClocks}}
	for _, c := range []struct {
		ours  time.Duration // is our clock ahead
		state activities.CheckState
		found string
	}{
		{0, activities.CheckOK, "^within "},
		{10 * time.Minute, activities.CheckFail, `^(10m0|9m\d+)s behind ours$`},
		{-10 * time.Minute, activities.CheckFail, `^(10m0|9m\d+)s ahead of ours$`},
	} {
		p.options = func(o *doctor.Options) { o.Now = func() time.Time { return time.Now().Add(c.ours) } }
		r := p.look(in, nil)
		got := checkOf(r, "clocks: PostgreSQL")
		require.Equal(t, c.state, got.State, got.Found)
		require.Regexp(t, c.found, got.Found)
		if c.state == activities.CheckFail {
			require.Contains(t, got.Remedy, "PostgreSQL")
		}
		require.Equal(t, activities.CheckOK, checkOf(r, "ledger: reachable").State)
		require.Equal(t, activities.CheckSkipped, checkOf(r, "ledger: free space").State)
		require.Contains(t, checkOf(r, "ledger: backup").Found, "backed up by its own tools")
	}
}
