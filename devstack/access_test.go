package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/config"
	"causeway.dev/sandbox/stack"
	"causeway.dev/starter/commands"
)

// With --access people sign in at the sandbox that runs, with what is printed.
func TestPeopleSignInAtTheDevstack(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("CI", "true") // nobody sits in front of a screen
	dir := t.TempDir()
	printed, err := os.Create(filepath.Join(dir, "printed"))
	require.NoError(t, err)
	o := options{data: dir, out: printed, metricsPort: 9464, concurrency: 1}
	boxes, err := stack.Start(t.Context(), stack.Options{Dir: filepath.Join(dir, "sandbox")})
	require.NoError(t, err)
	t.Cleanup(func() { _ = boxes.Close(t.Context()) })

	path, err := writeConfig(o, false, boxes, "localhost:7233", "")
	require.NoError(t, err)
	cfg, err := config.Load(path)
	require.NoError(t, err)
	require.False(t, cfg.Access.Configured(), "nobody signs in unless it is asked for")

	o.access = true
	path, err = writeConfig(o, false, boxes, "localhost:7233", "")
	require.NoError(t, err)
	cfg, err = config.Load(path)
	require.NoError(t, err)
	require.Equal(t, []string{"rollback", "forget"}, cfg.Access.FourEyes)
	printNext(o, path, "http://localhost:8233", boxes)
	text, err := os.ReadFile(printed.Name())
	require.NoError(t, err)
	require.Contains(t, string(text), "bin/causeway login")
	require.Contains(t, string(text), path)

	for who, role := range map[string]string{
		"vera": "viewer", "sami": "support", "olga": "operator", "otto": "operator", "ada": "admin", "nils": "in no group that has a role here",
	} {
		var out, errs bytes.Buffer
		signer := &signer{t: t, ca: boxes.CAPath, as: who + "@sandbox.example"}
		code := commands.Execute(t.Context(), []string{"login", "--config", path}, strings.NewReader(""), &out, io.MultiWriter(&errs, signer))
		require.Zero(t, code, errs.String())
		require.Contains(t, out.String(), ", "+role+"\n")
	}
}
