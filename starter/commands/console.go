package commands

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"causeway.dev/config"
	"causeway.dev/console"
	"causeway.dev/internal/phrase"
)

type consoleOptions struct {
	configs          []string
	listen           string
	published        bool
	lasts, linkLasts time.Duration
	url              string
	cookieKey        string
	clientSecret     string
	metrics          string
}

func newConsole(e *env) *cobra.Command {
	var o consoleOptions
	cmd := &cobra.Command{
		Use: "console", Short: "Serve the web console",
		Long: `Serve the web console, which shows what status shows, and starts, stops, pauses and
resumes flows. It goes on until it is interrupted.

Where the configuration has access, people sign in at its issuer, and their groups say
what they may do. Register <url>/sign-in/back as a redirect address of the application.
Else the console is for this machine alone: people sign in by a link that is printed
here, which is good once, and the page to sign in has another printed.

One console shows several instances: name each configuration file with --config.`,
		Example: `  causeway console
  causeway console --config acme.yaml --config acme-stage.yaml
  causeway console --listen :8280 --url https://causeway.example.com --cookie-key file:/run/secrets/cookies`,
		Args: exactly("none", 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, d := range []struct {
				flag string
				got  time.Duration
			}{{"--session-lasts", o.lasts}, {"--link-lasts", o.linkLasts}} {
				if d.got < time.Minute || d.got > 24*time.Hour {
					return badInput("%s: got %s, want 1m to 24h", d.flag, d.got)
				}
			}
			return serveConsole(cmd.Context(), e, o)
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&o.configs, "config", "c", nil, "configuration `file` of an instance; may be given several times")
	f.StringVar(&o.listen, "listen", "127.0.0.1:8280", "`host:port` to listen at; another than this machine only where people sign in at an issuer")
	f.BoolVar(&o.published, "published", false, "let --listen name every address, inside a container whose port is published on its machine alone")
	f.StringVar(&o.metrics, "metrics-listen", "", "`host:port` where Prometheus reads how many requests there are, as /metrics; default: none")
	f.StringVar(&o.url, "url", "", "`address` that browsers reach it by, such as https://causeway.example.com; default: http://localhost and the port")
	f.StringVar(&o.cookieKey, "cookie-key", "", "env:NAME or file:PATH of a `secret` that cookies are encrypted with, the same for each copy of the console; default: one of its own, so that sessions end with it")
	f.StringVar(&o.clientSecret, "client-secret", "", "env:NAME or file:PATH of the `secret` of the application that people sign in to, where it has one")
	f.DurationVar(&o.lasts, "session-lasts", 8*time.Hour, "how long somebody stays signed in")
	f.DurationVar(&o.linkLasts, "link-lasts", time.Hour, "how long a link is good")
	return cmd
}

// serveConsole goes on until ctx ends.
func serveConsole(ctx context.Context, e *env, o consoleOptions) error {
	files := o.configs
	if len(files) == 0 {
		files = []string{e.configPath}
	}
	serve := console.ServeOptions{
		Listen: o.listen, MetricsListen: o.metrics, URL: o.url, Published: o.published, HostPort: e.address, Namespace: e.namespace, By: cmp.Or(e.by, "local"),
		Lasts: o.lasts, LinkLasts: o.linkLasts, Dial: e.dial, Tell: func(line string) { e.say("%s", line) },
	}
	for _, s := range []struct {
		flag, from string
		to         *string
	}{{"--cookie-key", o.cookieKey, &serve.CookieKey}, {"--client-secret", o.clientSecret, &serve.ClientSecret}} {
		value, err := config.Secret(s.from).Resolve()
		if s.from != "" && err != nil {
			return badInput("%s: %s", s.flag, phrase.OneLine(err.Error()))
		}
		*s.to = value
	}
	for _, file := range files {
		cfg, err := config.Load(file)
		if err != nil {
			return configError(file, err)
		}
		serve.Configs = append(serve.Configs, console.Config{File: file, Config: cfg})
	}
	server, err := console.Listen(ctx, serve)
	switch {
	case errors.Is(err, console.ErrListen):
		return badInput("--listen: %s", phrase.OneLine(err.Error()))
	case err != nil:
		return badInput("%s", phrase.OneLine(err.Error()))
	}
	if server.SignsIn() {
		e.say("The console is there until Ctrl-C. Sign in at:")
	} else {
		e.say("The console is there until Ctrl-C. This link signs you in, once, within %s:", phrase.Span(o.linkLasts))
	}
	e.say("  %s", server.Link())
	if err := server.Serve(ctx); err != nil {
		return failed("the console ended: %s", phrase.OneLine(err.Error()))
	}
	return nil
}
