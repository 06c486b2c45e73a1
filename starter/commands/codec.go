package commands

import (
	"context"

	"github.com/spf13/cobra"

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
address of this machine alone, because nobody is asked yet who they are: whoever has
an account on this machine can read what is sealed. In a browser only the pages of
temporal.ui_url may ask.

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
