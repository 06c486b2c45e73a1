package commands

import (
	"context"

	"github.com/spf13/cobra"

	"causeway.dev/config"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/temporalcodec"
)

func newCodec(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "codec", Short: "Open sealed payloads for Temporal's Web UI and command line",
		Long: `Answer Temporal's Web UI and its command line, which cannot open what is sealed with
temporal.encryption_key: set the UI's codec server to the address that is printed, or
run temporal with --codec-endpoint. It runs until it is interrupted.

It opens and does not seal. It listens on temporal.codec_listen, which must be an
address of this machine alone. With access it opens only while somebody is signed in
here whose role is support or higher; without it, nobody is asked who they are. Either
way whoever has an account on this machine can read through it meanwhile. In a browser
only the pages of temporal.ui_url may ask.

With -o json: {address}, once it listens.`,
		Example: "  causeway codec\n  temporal workflow show --codec-endpoint http://127.0.0.1:8234 --workflow-id acme/ingress/contacts",
		Args:    exactly("none", 0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return codec(cmd.Context(), e) },
	}
}

func codec(ctx context.Context, e *env) error {
	cfg, err := e.load()
	if err != nil {
		return err
	}
	keys, err := operator.KeysOf(cfg.Temporal)
	if err != nil {
		return err
	}
	if !keys.Seals() {
		return badInput("%s: got nothing, want the keys of the worker; without them nothing is sealed", temporalcodec.Setting)
	}
	endpoint := temporalcodec.Endpoint{Keys: keys, Listen: cfg.Temporal.CodecListen, UI: cfg.Temporal.UIURL}
	if endpoint.May, err = e.mayOpen(cfg); err != nil {
		return err
	}
	if endpoint.May != nil {
		if err := endpoint.May(ctx); err != nil {
			return err
		}
	}
	err = endpoint.Serve(ctx, func(address string) {
		_ = e.show(struct {
			Address string `json:"address"`
		}{"http://" + address}, func() {
			e.say("opening what is sealed at http://%s, until Ctrl-C", address)
			if cfg.Temporal.UIURL == "" {
				e.say("set temporal.ui_url, so that the pages of Temporal's Web UI may ask")
			}
		})
	})
	if err != nil {
		return badInput("temporal.codec_listen: %v", err)
	}
	return nil
}

// mayOpen says whether whoever is signed in here may read what can be a person's; nil where
// nobody is asked who they are.
func (e *env) mayOpen(cfg *config.Config) (func(context.Context) error, error) {
	c, err := e.signIn(cfg)
	if err != nil || c == nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, e.timeout)
		defer cancel()
		who, err := c.Who(ctx)
		if err != nil {
			return signInError(err)
		}
		p := personOf(cfg.Access, who)
		if p.Role == "" || p.Role == "viewer" {
			return badInput("to open what is sealed you need the role support; signed in is %s", p.text())
		}
		return nil
	}, nil
}
