// Package deploy_test checks what a container engine would find out late: that
// docker-compose.yml and the files beside it fit each other and the programs.
package deploy_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/config"
	"causeway.dev/internal/optout"
	"causeway.dev/sandbox/stack"
)

func TestConfigurationLoads(t *testing.T) {
	cfg, err := config.Load("causeway.yaml")
	require.NoError(t, err)
	c := compose(t)
	require.Contains(t, c.Services["worker"].Environment, "LEDGER_DSN")
	require.NotContains(t, c.Services["worker"].Environment["LEDGER_DSN"], "PASSWORD", "a password in an address has to be escaped")
	require.Equal(t, "postgres", cfg.Ledger.Driver)
	require.Contains(t, c.Services, "sandbox", "the configuration names it")
	require.Contains(t, cfg.Dynamics.URL, "//sandbox:")
	require.True(t, strings.HasSuffix(cfg.Telemetry.Listen, ":9464"), "health and Prometheus ask this port")
}

// Who was forgotten is kept apart from the database, on a volume of its own that the worker
// may write to, so that a ledger from a backup is told.
func TestErasuresAreKeptApartFromTheLedger(t *testing.T) {
	cfg, err := config.Load("causeway.yaml")
	require.NoError(t, err)
	require.Equal(t, "/erasures/erasures", cfg.Ledger.Erasures)
	c := compose(t)
	for _, name := range []string{"worker", "secrets"} {
		require.Contains(t, c.Services[name].Volumes, "erasures:/erasures", name)
	}
	require.NotContains(t, c.Services["ledger-db"].Volumes, "erasures:/erasures")
}

func TestTheImageHoldsWhatItsContainersRun(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "Dockerfile"))
	require.NoError(t, err)
	for _, program := range []string{"./worker", "./sandbox", "./starter"} {
		require.Contains(t, string(data), program)
	}
	ignored, err := os.ReadFile(filepath.Join("..", ".dockerignore"))
	require.NoError(t, err)
	folders, err := os.ReadDir("..")
	require.NoError(t, err)
	for _, f := range folders {
		sources, err := filepath.Glob(filepath.Join("..", f.Name(), "*.go"))
		require.NoError(t, err)
		sources = slices.DeleteFunc(sources, func(s string) bool { return strings.HasSuffix(s, "_test.go") })
		if len(sources) > 0 && f.Name() != "devstack" {
			require.Contains(t, string(ignored), "!"+f.Name()+"\n", "the image is built without it")
		}
	}
}

// volume fills a folder as the sandbox's container fills its volume.
func volume(t *testing.T, dir string) *stack.Stack {
	t.Helper()
	boxes, err := stack.Start(t.Context(), stack.Options{Dir: dir, Host: "127.0.0.1", Name: "sandbox"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = boxes.Close(context.WithoutCancel(t.Context())) })
	return boxes
}

// What the configuration says of the sandboxes is what they are, and every flow
// has what it needs.
func TestConfigurationFitsTheSandboxes(t *testing.T) {
	cfg, err := config.Load("causeway.yaml")
	require.NoError(t, err)
	dir := t.TempDir()
	boxes := volume(t, dir)
	inVolume := func(path string) string {
		return strings.Replace(strings.TrimPrefix(path, "file:"), "/sandbox", dir, 1)
	}
	path := func(address string) string {
		u, err := url.Parse(address)
		require.NoError(t, err)
		return u.Path
	}
	for what, c := range map[string][2]string{
		"dynamics.client_secret":   {boxes.DynamicsSecretFile, inVolume(string(cfg.Dynamics.ClientSecret))},
		"campaign.client_secret":   {boxes.CampaignSecretFile, inVolume(string(cfg.Campaign.ClientSecret))},
		"campaign.sftp.key":        {boxes.SFTPKeyFile, inVolume(string(cfg.Campaign.SFTP.Key))},
		"campaign.sftp.known":      {boxes.SFTPKnownHostsFile, inVolume(cfg.Campaign.SFTP.KnownHosts)},
		"dynamics.ca_file":         {boxes.CAPath, inVolume(cfg.Dynamics.CAFile)},
		"campaign.ca_file":         {boxes.CAPath, inVolume(cfg.Campaign.CAFile)},
		"campaign.sftp.user":       {boxes.SFTPUser, cfg.Campaign.SFTP.User},
		"campaign.journal.url":     {path(boxes.JournalURL), path(cfg.Campaign.Journal.URL)},
		"campaign.url":             {path(boxes.CampaignURL), path(cfg.Campaign.URL)},
		"campaign.organization_id": {boxes.CampaignOrganization, cfg.Campaign.OrganizationID},
		"campaign.client_id":       {boxes.CampaignClientID, cfg.Campaign.ClientID},
		"dynamics.tenant":          {boxes.Tenant, cfg.Dynamics.Tenant},
		"dynamics.client_id":       {boxes.DynamicsClientID, cfg.Dynamics.ClientID},
	} {
		require.Equal(t, c[0], c[1], what)
	}
	_, err = boxes.Exports.Status(cfg.OptOut.Export.Workflow)
	require.NoError(t, err, "the export that is watched")
	require.True(t, cfg.Egress.Settings().Enabled())
	require.Equal(t, optout.Bidirectional, cfg.OptOut.Mode)
	require.NotEmpty(t, cfg.Temporal.UIURL)
}

// The ports that the configuration asks are those that the sandbox listens on by
// default, and that its container publishes.
func TestPortsFit(t *testing.T) {
	cfg, err := config.Load("causeway.yaml")
	require.NoError(t, err)
	published := strings.Join(compose(t).Services["sandbox"].Ports, " ")
	program, err := os.ReadFile(filepath.Join("..", "sandbox", "commands", "run.go"))
	require.NoError(t, err)
	for flag, address := range map[string]string{
		"dynamics-port": cfg.Dynamics.URL, "campaign-port": cfg.Campaign.Journal.URL, "sftp-port": fmt.Sprintf("sftp://%s:%d", cfg.Campaign.SFTP.Host, cfg.Campaign.SFTP.Port),
	} {
		u, err := url.Parse(address)
		require.NoError(t, err)
		require.Equal(t, "sandbox", u.Hostname(), flag)
		require.Contains(t, string(program), `"`+flag+`", `+u.Port()+",")
		require.Contains(t, published, "127.0.0.1:"+u.Port()+":"+u.Port())
	}
	require.Contains(t, compose(t).Services["temporal-ui"].Environment["TEMPORAL_CORS_ORIGINS"], cfg.Temporal.UIURL)
}
