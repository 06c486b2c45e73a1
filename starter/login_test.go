package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/sandbox/entra"
	"causeway.dev/sandbox/entra/entratest"
	"causeway.dev/sandbox/kit"
	"causeway.dev/starter/commands"
)

// office is a machine with a configuration whose people sign in at the sandbox.
type office struct {
	*testing.T
	entra  *entra.Server
	server *httptest.Server
	config string
}

func newOffice(t *testing.T) *office {
	t.Helper()
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	t.Setenv("CI", "true") // nobody sits in front of a screen
	o := &office{T: t, entra: entra.New(entra.Options{Clock: &kit.Clock{}, Faults: &kit.Faults{}, Tenant: "tenant", DeviceInterval: time.Second})}
	o.server = httptest.NewTLSServer(o.entra)
	t.Cleanup(o.server.Close)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ca.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: o.server.Certificate().Raw}), 0o600))
	base, err := os.ReadFile("commands/testdata/causeway.yaml")
	require.NoError(t, err)
	o.config = filepath.Join(dir, "causeway.yaml")
	require.NoError(t, os.WriteFile(o.config, []byte(string(base)+`
access:
  issuer: `+o.server.URL+`/tenant/v2.0
  client_id: `+entra.SignInClientID+`
  ca_file: ca.pem
  groups: {viewer: [`+entra.ViewerGroup+`], operator: [`+entra.OperatorGroup+`], admin: [`+entra.AdminGroup+`]}
`), 0o600))
	return o
}

// run runs a command line; see gets each line of stderr as it comes.
func (o *office) run(ctx context.Context, see func(line string), args ...string) (code int, stdout, stderr string) {
	o.Helper()
	var out, errs bytes.Buffer
	r, w := io.Pipe()
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(r); lines.Scan(); {
			errs.WriteString(lines.Text() + "\n")
			if see != nil {
				see(lines.Text())
			}
		}
	}()
	code = commands.Execute(ctx, append(args, "--config", o.config), strings.NewReader(""), &out, w)
	require.NoError(o, w.Close())
	<-read
	return code, out.String(), errs.String()
}

// signer signs somebody in at the address that is printed.
func (o *office) signer(as string) func(string) {
	return func(line string) {
		if strings.HasPrefix(line, "https://") {
			go func() { _, _ = entratest.Browser{Client: o.server.Client(), As: as}.SignIn(o.Context(), line) }()
		}
	}
}

func TestLoginWhoamiLogout(t *testing.T) {
	o := newOffice(t)
	code, _, stderr := o.run(t.Context(), nil, "whoami")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "nobody is signed in at "+o.server.URL+"/tenant/v2.0; run: causeway login")

	code, out, stderr := o.run(t.Context(), o.signer("olga@sandbox.example"), "login")
	require.Zero(t, code, stderr)
	require.Contains(t, out, "Signed in as Olga Dahl (olga@sandbox.example), operator\n")
	require.Contains(t, out, "and is renewed")
	code, out, _ = o.run(t.Context(), nil, "whoami", "-o", "json")
	require.Zero(t, code)
	var who struct{ Name, Username, Role, Issuer string }
	require.NoError(t, json.Unmarshal([]byte(out), &who))
	require.Equal(t, "Olga Dahl", who.Name)
	require.Equal(t, "operator", who.Role)
	require.Equal(t, o.server.URL+"/tenant/v2.0", who.Issuer)
	require.NotContains(t, out, "eyJ", "no token is shown")

	code, out, _ = o.run(t.Context(), o.signer("nils@sandbox.example"), "login", "--no-browser")
	require.Zero(t, code)
	require.Contains(t, out, "Nils Foss (nils@sandbox.example), in no group that has a role here")

	code, out, _ = o.run(t.Context(), nil, "logout")
	require.Zero(t, code)
	require.Contains(t, out, "Signed out of "+o.server.URL)
	code, out, _ = o.run(t.Context(), nil, "logout")
	require.Zero(t, code)
	require.Contains(t, out, "Nobody was signed in")
	code, _, _ = o.run(t.Context(), nil, "whoami")
	require.Equal(t, 2, code)
}

func TestLoginByCode(t *testing.T) {
	o := newOffice(t)
	prompt := regexp.MustCompile(`^Open (\S+) in a browser and enter the code (\S+)$`)
	code, out, stderr := o.run(t.Context(), func(line string) {
		if found := prompt.FindStringSubmatch(line); found != nil {
			_, _ = entratest.Browser{Client: o.server.Client(), As: "ada@sandbox.example"}.EnterCode(t.Context(), found[1], found[2])
		}
	}, "login", "--device")
	require.Zero(t, code, stderr)
	require.Contains(t, out, "Signed in as Ada Nyberg (ada@sandbox.example), admin\n")
}

func TestLoginThatFails(t *testing.T) {
	o := newOffice(t)
	code, out, stderr := o.run(t.Context(), o.signer(""), "login")
	require.Equal(t, 1, code)
	require.Empty(t, out)
	require.Contains(t, stderr, "causeway: the sign-in was declined at "+o.server.URL)

	ctx, cancel := context.WithCancel(t.Context())
	code, _, stderr = o.run(ctx, func(line string) {
		if strings.HasPrefix(line, "https://") {
			cancel()
		}
	}, "login")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "interrupted; nobody was signed in")

	o.server.Close()
	code, _, stderr = o.run(t.Context(), nil, "login")
	require.Equal(t, 3, code)
	require.Contains(t, stderr, "cannot reach "+o.server.URL)
}

// What is sealed in Temporal is opened only for whoever may see values of persons.
func TestTheCodecAsksWhoIsSignedIn(t *testing.T) {
	o := newOffice(t)
	text, err := os.ReadFile(o.config)
	require.NoError(t, err)
	t.Setenv("CODEC_KEY", strings.Repeat("01", 32))
	sealed := strings.Replace(string(text), "temporal:\n", "temporal:\n  encryption_key: env:CODEC_KEY\n  codec_listen: 127.0.0.1:0\n", 1)
	require.NotEqual(t, string(text), sealed)
	require.NoError(t, os.WriteFile(o.config, []byte(sealed), 0o600))

	code, _, stderr := o.run(t.Context(), nil, "codec")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "nobody is signed in")
	code, _, stderr = o.run(t.Context(), o.signer("vera@sandbox.example"), "login")
	require.Zero(t, code, stderr)
	code, _, stderr = o.run(t.Context(), nil, "codec")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "you need the role support; signed in is Vera")

	code, _, stderr = o.run(t.Context(), o.signer("olga@sandbox.example"), "login")
	require.Zero(t, code, stderr)
	ctx, stop := context.WithCancel(t.Context())
	asked := func(address string) (int, string) {
		res, err := http.Post(address+"/decode", "application/json", strings.NewReader(`{"payloads":[]}`))
		require.NoError(t, err)
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(body)
	}
	address := regexp.MustCompile(`http://127\.0\.0\.1:\d+`)
	code, _, stderr = o.run(ctx, func(line string) {
		at := address.FindString(line)
		if at == "" {
			return
		}
		defer stop()
		status, body := asked(at)
		require.Equal(t, http.StatusOK, status, body)
		code, _, stderr := o.run(t.Context(), nil, "logout")
		require.Zero(t, code, stderr)
		status, body = asked(at)
		require.Equal(t, http.StatusForbidden, status)
		require.Contains(t, body, "nobody is signed in")
	}, "codec")
	require.Zero(t, code, stderr)
}
