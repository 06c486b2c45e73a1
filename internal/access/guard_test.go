package access

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/config"
)

func TestWhatOtherSettingsWouldGive(t *testing.T) {
	token := func(claims string) string {
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".sig"
	}
	of := config.Access{GroupsClaim: "groups", Groups: config.AccessGroups{Viewer: []string{"all"}, Admin: []string{"owners"}}}
	for claims, want := range map[string]Role{`{"groups":["all","owners"]}`: Admin, `{"groups":["all"]}`: Viewer, `{"groups":"owners"}`: Admin, `{}`: None} {
		role, known := RoleIn(token(claims), of)
		require.True(t, known, claims)
		require.Equal(t, want, role, claims)
	}
	for _, raw := range []string{"", "a.b", token("no"), token(`{"groups":7}`), token(`{"_claim_names":{"groups":"elsewhere"}}`)} {
		_, known := RoleIn(raw, of)
		require.False(t, known, raw)
	}
}
