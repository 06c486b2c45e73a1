package host

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"slices"

	"causeway.dev/activities"
	permits "causeway.dev/activities/operator"
	"causeway.dev/config"
	"causeway.dev/internal/access"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

// secretOf is the secret that all workers of a ledger have.
func secretOf(ctx context.Context, l *ledger.Ledger) ([]byte, error) {
	fresh := make([]byte, access.SecretSize)
	_, _ = rand.Read(fresh) // it never fails
	return l.AccessSecret(ctx, fresh)
}

// openQuestions makes the keys that what is looked for is sealed to.
func openQuestions(ctx context.Context, l *ledger.Ledger) (*access.QuestionKeys, error) {
	secret, err := secretOf(ctx, l)
	if err != nil {
		return nil, err
	}
	sealed, err := l.SealedSecret("causeway questions") // as openAccess has one
	if err != nil {
		return nil, err
	}
	return access.NewQuestionKeys(secret, string(sealed))
}

// openAccess makes what permits are granted with; nil where the configuration asks nobody
// who they are.
func openAccess(ctx context.Context, cfg *config.Config, l *ledger.Ledger) (*permits.Access, error) {
	if !cfg.Access.Configured() {
		return nil, nil
	}
	secret, err := secretOf(ctx, l)
	if err != nil {
		return nil, err
	}
	sealed, err := l.SealedSecret("causeway access") // the same for workers with other encryption keys, as while they are changed
	if err != nil {
		return nil, err
	}
	keys, err := access.NewKeys(secret, string(sealed))
	if err != nil {
		return nil, err
	}
	roots, err := extraRoots("access.ca_file", cfg.Access.CAFile)
	if err != nil {
		return nil, err
	}
	asking := http.DefaultTransport.(*http.Transport).Clone()
	asking.TLSClientConfig = tlsWith(roots)
	return &permits.Access{
		Config: cfg.Access, Instance: cfg.Instance, Keys: keys, Verifier: access.NewVerifier(cfg.Access, &http.Client{Transport: asking}, nil),
		ChangesMapping: func(r access.Request) bool { return changesMapping(cfg, r) },
	}, nil
}

// changesMapping says whether a request brings a mapping or settings that are not those of
// the worker's configuration: whoever starts a flow brings their own copy of the file.
func changesMapping(cfg *config.Config, r access.Request) bool {
	var table *activities.Table
	switch r.Name {
	case access.Update(workflows.UpdateStart):
		var in workflows.StartRequest
		if json.Unmarshal(r.Input, &in) != nil {
			return true
		}
		return !slices.ContainsFunc(flowsOf(cfg), func(name string) bool {
			return workflows.FlowNamed(cfg.Instance, name).WorkflowID() == r.Target && same(operator.StartRequest(cfg, name, ""), in)
		})
	case access.Begin(workflows.TypeAudit):
		var in workflows.AuditInput
		if json.Unmarshal(r.Input, &in) != nil {
			return true
		}
		table = &in.Table
	default:
		return false
	}
	known, ok := cfg.Ingress.Tables[table.Name]
	return !ok || !same(known, *table)
}

func flowsOf(cfg *config.Config) []string {
	return append(cfg.ParentsFirst(), activities.FlowEgress, activities.FlowOptOut)
}

// same compares what would travel.
func same(a, b any) bool {
	one, err := access.What(a)
	two, other := access.What(b)
	return err == nil && other == nil && one == two
}

func tlsWith(roots *x509.CertPool) *tls.Config { return &tls.Config{RootCAs: roots} }
