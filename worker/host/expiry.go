package host

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"time"

	"github.com/uber-go/tally/v4"

	"causeway.dev/activities"
	"causeway.dev/config"
)

const (
	expiryNear = 30 * 24 * time.Hour // a certificate this close to its end is warned of
	warnEvery  = 24 * time.Hour
)

// expiryWatch tells when the certificates that this worker signs in with end. A
// secret's end is known to nobody but the service.
type expiryWatch struct {
	scope  tally.Scope
	logger *slog.Logger
	now    func() time.Time
	of     map[string]config.Secret // by the setting that names it
	warned map[string]time.Time     // when somebody was last warned of a setting
}

func newExpiryWatch(cfg *config.Config, scope tally.Scope, logger *slog.Logger) *expiryWatch {
	w := &expiryWatch{scope: scope, logger: logger, now: time.Now, of: map[string]config.Secret{}, warned: map[string]time.Time{}}
	if c := cfg.Dynamics.ClientCertificate; c.IsSet() {
		w.of["dynamics.client_certificate"] = c
	}
	if c := cfg.Hooks.Certificate; c.IsSet() && cfg.Hooks.Listen != "" {
		w.of["hooks.certificate"] = c
	}
	return w
}

// refresh reads the certificates as they are now, sets their gauges, and warns of
// those near their end, each once a day.
func (w *expiryWatch) refresh() {
	for setting, secret := range w.of {
		ends, err := endOf(secret)
		if err != nil {
			w.warn(setting, "a certificate cannot be read; the last one that could is in use", "error", err)
			continue
		}
		w.scope.Tagged(map[string]string{"setting": setting}).Gauge("credential_expiry_timestamp_seconds").Update(float64(ends.Unix()))
		switch left := ends.Sub(w.now()); {
		case left <= 0:
			w.warn(setting, "a certificate has expired; register a new one and replace the file", "expired", ends)
		case left <= expiryNear:
			w.warn(setting, "a certificate expires soon; register a new one and replace the file", "expires", ends, "days", int(left.Hours()/24))
		default:
			delete(w.warned, setting)
		}
	}
}

func (w *expiryWatch) warn(setting, message string, args ...any) {
	if at, ok := w.warned[setting]; ok && w.now().Sub(at) < warnEvery {
		return
	}
	w.warned[setting] = w.now()
	w.logger.Warn(message, append([]any{"setting", setting}, args...)...)
}

// credentialEnds are the ends of the certificates that this configuration signs in with, as
// they are now. One that cannot be read is left out; refresh warns of it.
func credentialEnds(cfg *config.Config) (out []activities.CredentialEnd) {
	if c := cfg.Dynamics.ClientCertificate; c.IsSet() {
		if ends, err := endOf(c); err == nil {
			out = append(out, activities.CredentialEnd{Setting: "dynamics.client_certificate", Ends: ends})
		}
	}
	if c := cfg.Hooks.Certificate; c.IsSet() && cfg.Hooks.Listen != "" {
		if ends, err := endOf(c); err == nil {
			out = append(out, activities.CredentialEnd{Setting: "hooks.certificate", Ends: ends})
		}
	}
	return out
}

// endOf is when the first certificate of a PEM text ends: the one that signs.
func endOf(secret config.Secret) (time.Time, error) {
	text, err := secret.Resolve()
	if err != nil {
		return time.Time{}, err
	}
	for block, rest := pem.Decode([]byte(text)); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return time.Time{}, errors.New("the certificate cannot be read")
		}
		return certificate.NotAfter.UTC(), nil
	}
	return time.Time{}, errors.New("there is no certificate in it")
}
