package host

import (
	"fmt"
	"os"
	"time"

	"causeway.dev/activities/ingress"
	"causeway.dev/config"
	"causeway.dev/internal/bulk"
)

// fileLoads is how tables are loaded by file.
func fileLoads(cfg *config.Config, s *Services) (map[string]ingress.FileLoad, error) {
	f := cfg.Ingress.Files
	if len(f.Tables) == 0 {
		return nil, nil
	}
	var key *bulk.Recipient
	if f.PublicKey != "" {
		text, err := os.ReadFile(f.PublicKey)
		if err != nil {
			return nil, fmt.Errorf("ingress.files.public_key: %w", err)
		}
		if key, err = bulk.ParseRecipient(text, time.Now()); err != nil {
			return nil, fmt.Errorf("ingress.files.public_key: %w", err)
		}
	}
	out := make(map[string]ingress.FileLoad, len(f.Tables))
	for name, t := range f.Tables {
		out[name] = ingress.FileLoad{
			Outbox:    bulk.Outbox{Server: s.SFTP, File: t.File, Results: t.Results, Recipient: key},
			Workflows: s.Campaign, Workflow: t.Workflow, Folder: os.TempDir(),
			Poll: f.PollEvery, Settles: f.SettlesAfter, Tries: f.Tries, Sample: f.Sample,
		}
	}
	return out, nil
}
