package host

import (
	"context"
	"maps"
	"slices"
	"time"

	"causeway.dev/activities"
	"causeway.dev/activities/doctor"
	"causeway.dev/activities/egress"
	"causeway.dev/activities/ingress"
	"causeway.dev/activities/operator"
	"causeway.dev/activities/optout"
	"causeway.dev/config"
	"causeway.dev/internal/ledger"
)

// doctorOptions are what this worker looks at when it is asked whether all is well.
func doctorOptions(cfg *config.Config, s *Services, l *ledger.Ledger, in *ingress.Activities, eg *egress.Activities, opt *optout.Activities) doctor.Options {
	out := doctor.Options{
		Ledger: l, Dynamics: s.Dataverse, Campaign: s.Campaign, Files: fileSource(Options{Config: cfg}, s),
		Ingress: in, Egress: eg, OptOut: opt, Events: cfg.Egress.Settings(), OptOuts: cfg.OptOutSettings(),
		DynamicsToken: func(ctx context.Context) error { return freshDynamicsToken(ctx, cfg) },
		CampaignToken: func(ctx context.Context) error { return freshCampaignToken(ctx, cfg) },
		Backups: func(ctx context.Context) (*activities.BackupState, error) {
			return operator.BackupState(ctx, l, backupsOf(cfg))
		},
		Credentials: func() []activities.CredentialEnd { return credentialEnds(cfg) },
		ClockSkew:   cfg.Doctor.ClockSkew, FreeSpace: uint64(cfg.Doctor.FreeMiB) << 20, Expiry: cfg.Doctor.Expiry, Step: time.Duration(cfg.Doctor.Step), //nolint:gosec // validated
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Ingress.Tables)) {
		out.Tables = append(out.Tables, cfg.Ingress.Tables[name])
	}
	if s.Journal != nil { // a nil client in the interface would not be nil
		out.Journal = s.Journal
	}
	if s.SFTP != nil {
		out.Space = s.SFTP
	}
	if cfg.Hooks.Listen != "" {
		out.Hooks = func(ctx context.Context) (string, error) { return callHooks(ctx, cfg) }
	}
	return out
}

// freshDynamicsToken asks for a token as a worker would that starts now: one that is held
// hides for an hour that the credential has ended.
func freshDynamicsToken(ctx context.Context, cfg *config.Config) error {
	roots, err := extraRoots("dynamics.ca_file", cfg.Dynamics.CAFile)
	if err != nil {
		return err
	}
	tokens, err := newMSALTokens(cfg, nil, roots, nil)
	if err != nil {
		return err
	}
	_, err = tokens.Token(ctx)
	return err
}

func freshCampaignToken(ctx context.Context, cfg *config.Config) error {
	roots, err := extraRoots("campaign.ca_file", cfg.Campaign.CAFile)
	if err != nil {
		return err
	}
	tokens, err := newIMSTokens(cfg, nil, roots, nil)
	if err != nil {
		return err
	}
	_, err = tokens.Token(ctx)
	return err
}
