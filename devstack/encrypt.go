package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"causeway.dev/config"
	"causeway.dev/internal/temporalcodec"
)

// keyFile holds the key that seals what goes into Temporal.
func keyFile(o options) string { return filepath.Join(o.data, "temporal.key") }

// makeKey makes the key where it is wanted and missing, and returns the address that will
// open what it seals; "" when nothing is sealed. A key that is there is used without
// --encrypt as well, because what it has sealed is to be read.
func makeKey(o options) (string, error) {
	_, err := os.Stat(keyFile(o))
	if errors.Is(err, os.ErrNotExist) {
		if !o.encrypt {
			return "", nil
		}
		err = writeKey(keyFile(o))
	}
	if err != nil {
		return "", fmt.Errorf("--encrypt: %w", err)
	}
	return fmt.Sprintf("http://127.0.0.1:%d", o.codecPort), nil
}

// ledgerKeyFile holds the key that seals the ledger.
func ledgerKeyFile(o options) string { return filepath.Join(o.data, "ledger.key") }

// makeLedgerKey makes the key of the ledger where it is missing. A ledger from before there
// was one is read on, and sealed by: causeway ledger rekey.
func makeLedgerKey(o options) error {
	_, err := os.Stat(ledgerKeyFile(o))
	if errors.Is(err, os.ErrNotExist) {
		err = writeKey(ledgerKeyFile(o))
	}
	if err != nil {
		return fmt.Errorf("the key of the ledger: %w", err)
	}
	return nil
}

// writeKey writes a new key that only its owner can read.
func writeKey(path string) error {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(key)+"\n"), 0o600)
}

// serveCodec opens what is sealed for the Web UI, until stop is called. Without a key it
// does nothing.
func serveCodec(ctx context.Context, cfg *config.Config, keys *temporalcodec.Keys) (stop func(), err error) {
	if !keys.Seals() {
		return func() {}, nil
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	endpoint := temporalcodec.Endpoint{Keys: keys, Listen: cfg.Temporal.CodecListen, UI: cfg.Temporal.UIURL}
	listening, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- endpoint.Serve(ctx, func(string) { close(listening) }) }()
	select {
	case <-listening:
	case err := <-done:
		cancel()
		return nil, fmt.Errorf("opening what is sealed: %w with --codec-port", err)
	}
	return func() {
		cancel()
		<-done
	}, nil
}
