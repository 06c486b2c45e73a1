package operator

import (
	"context"
	"errors"
	"io"

	historypb "go.temporal.io/api/history/v1"

	"causeway.dev/config"
	"causeway.dev/internal/histories"
	"causeway.dev/internal/temporalcodec"
)

// KeysOf are the keys that a configuration seals with in Temporal; without one, keys that
// seal nothing.
func KeysOf(t config.Temporal) (*temporalcodec.Keys, error) {
	if !t.EncryptionKey.IsSet() {
		return &temporalcodec.Keys{}, nil
	}
	text, err := t.EncryptionKey.Resolve()
	if err != nil {
		return nil, badInput("%s: %v; the command line needs it as the worker does", temporalcodec.Setting, err)
	}
	keys, err := temporalcodec.ParseKeys(text)
	if err != nil {
		return nil, badInput("%s: %v", temporalcodec.Setting, err)
	}
	return keys, nil
}

// unopened is the failure about what cannot be opened here.
func unopened(err error) error {
	if missing, ok := errors.AsType[*temporalcodec.MissingKeyError](err); ok {
		return badInput("%v", missing)
	}
	return failed("%v", err)
}

// opened reads a history, and opens what is sealed in it.
func (i *Instance) opened(ctx context.Context, workflowID, runID string, each func(*historypb.HistoryEvent) error) error {
	keys, err := KeysOf(i.Config.Temporal)
	if err != nil {
		return err
	}
	return i.temporal.History(ctx, workflowID, runID, func(e *historypb.HistoryEvent) error {
		if err := keys.Open(ctx, e); err != nil {
			return unopened(err)
		}
		return each(e)
	})
}

// VerifyHistory replays an exported history. What is sealed in it is opened with the keys
// of the configuration.
func VerifyHistory(keys *temporalcodec.Keys, source string, from io.Reader) Verified {
	history, err := histories.Read(from)
	if err == nil {
		err = keys.Open(context.Background(), history)
	}
	if err != nil {
		return Verified{Source: source, Problem: err.Error()}
	}
	return verify(source, "", history)
}
