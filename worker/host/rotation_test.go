package host

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uber-go/tally/v4"
	"golang.org/x/crypto/ssh"

	"causeway.dev/config"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/sandbox/kit"
	"causeway.dev/sandbox/stack"
)

// A secret or key that is replaced in its file is used without a restart: the tokens
// of before end, the old secrets have expired, and the new ones are in the files.
func TestSecretsThatAreReplacedInTheirFiles(t *testing.T) {
	t.Parallel()
	boxes, err := stack.Start(t.Context(), stack.Options{Dir: t.TempDir(), Contacts: 1})
	require.NoError(t, err)
	t.Cleanup(func() { _ = boxes.Close(t.Context()) })
	dir := t.TempDir()
	kept := func(name, from string) config.Secret {
		text, err := os.ReadFile(from)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
		return config.Secret("file:" + filepath.Join(dir, name))
	}
	cfg := &config.Config{
		Dynamics: config.Dynamics{
			URL: boxes.DynamicsURL, Tenant: boxes.Tenant, ClientID: boxes.DynamicsClientID, ClientSecret: kept("dynamics", boxes.DynamicsSecretFile),
			Authority: boxes.Authority, CAFile: boxes.CAPath, PageSize: 10, Concurrency: 2, Timeout: time.Minute,
		},
		Campaign: config.Campaign{
			URL: boxes.CampaignURL, IMSURL: boxes.IMSURL, ClientID: boxes.CampaignClientID, ClientSecret: kept("campaign", boxes.CampaignSecretFile),
			Scopes: []string{"campaign_sdk"}, CAFile: boxes.CAPath, Concurrency: 2, Timeout: time.Minute,
		},
	}
	host, port, err := net.SplitHostPort(boxes.SFTPAddress)
	require.NoError(t, err)
	number, err := strconv.Atoi(port)
	require.NoError(t, err)
	cfg.Campaign.SFTP = config.SFTP{Host: host, Port: number, User: boxes.SFTPUser, Key: config.Secret("file:" + filepath.Join(dir, "key")), KnownHosts: boxes.SFTPKnownHostsFile}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "key"), pem.EncodeToMemory(block), 0o600))
	s, err := NewServices(cfg, tally.NoopScope, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	profile := campaign.Resource{API: "profileAndServicesExt", Name: "profile"}
	dynamics := func() error { _, err := s.Dataverse.WhoAmI(t.Context()); return err }
	target := func() error { _, err := s.Campaign.Metadata(t.Context(), profile); return err }
	require.NoError(t, dynamics())
	require.NoError(t, target())

	for _, service := range []string{"entra", "ims"} {
		_, err := boxes.Faults.Add(kit.Rule{Service: service, Action: kit.Named, Name: "secret_replaced", Body: "new-secret"})
		require.NoError(t, err)
	}
	boxes.Entra.ExpireAll()
	boxes.IMS.ExpireAll()
	for name, call := range map[string]func() error{"dynamics": dynamics, "campaign": target} {
		err := call()
		require.Equal(t, apierr.Retryable, apierr.ClassOf(err), name)
		require.Equal(t, apierr.ReasonCredentials, apierr.ReasonOf(err), name)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("new-secret\n"), 0o600))
		require.NoError(t, call(), name)
	}

	_, err = s.SFTP.List(t.Context(), ".")
	require.Equal(t, apierr.ReasonCredentials, apierr.ReasonOf(err))
	kept("key", boxes.SFTPKeyFile)
	_, err = s.SFTP.List(t.Context(), ".")
	require.NoError(t, err)
	require.NoError(t, s.SFTP.Close())
}
