package histories

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/sdk/client"
)

// Writer writes a history, event by event, in the form in which the Temporal UI
// downloads and loads it and the SDK's replayer reads it.
type Writer struct {
	w      *bufio.Writer
	events int64
}

// NewWriter begins a history. Close ends it.
func NewWriter(w io.Writer) *Writer { return &Writer{w: bufio.NewWriter(w)} }

// Add writes the next event.
func (w *Writer) Add(e *historypb.HistoryEvent) error {
	separator := ",\n "
	if w.events == 0 {
		separator = "{\"events\": [\n "
	}
	w.events++
	data, err := temporalproto.CustomJSONMarshalOptions{}.Marshal(e)
	if err != nil {
		return fmt.Errorf("writing event %d: %w", e.GetEventId(), err)
	}
	_, err = w.w.WriteString(separator + string(data))
	return err
}

// Close completes the document; the underlying writer stays open.
func (w *Writer) Close() error {
	end := "\n]}\n"
	if w.events == 0 {
		end = "{\"events\": []}\n"
	}
	if _, err := w.w.WriteString(end); err != nil {
		return err
	}
	return w.w.Flush()
}

// maxFile bounds a history's file: Temporal ends a run at 50 MiB of events.
const maxFile = 512 << 20

// Read reads a history in the form of Writer, the Temporal UI, its command line or
// its HTTP API. One page of several is refused, because the rest would be missing.
func Read(r io.Reader) (*historypb.History, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, errors.New("it is larger than 512 MiB")
	}
	var wrapped struct {
		History       json.RawMessage `json:"history"`
		NextPageToken string          `json:"nextPageToken"`
	}
	if err := json.Unmarshal(data, &wrapped); err != nil {
		return nil, fmt.Errorf("it is not a JSON object: %w", err)
	}
	if wrapped.NextPageToken != "" {
		return nil, errors.New("it is one page of a longer history; export the whole")
	}
	if len(wrapped.History) > 0 {
		data = wrapped.History
	}
	history, err := client.HistoryFromJSON(bytes.NewReader(data), client.HistoryJSONOptions{})
	if err != nil {
		return nil, fmt.Errorf("it is not a history: %w", err)
	}
	if len(history.GetEvents()) == 0 {
		return nil, errors.New("it holds no events")
	}
	return history, nil
}
