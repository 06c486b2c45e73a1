package eventlog

import (
	"bufio"
	"encoding/gob"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const snapshotFile = "events.gob"

// The saved forms, with exported fields for gob.
type savedLog struct {
	Epoch              uint64
	Campaigns          []Campaign
	Deliveries         []savedDelivery
	URLs               []string
	Raws               [][]byte
	Messages, Touches  int
	Published, Pending int
}

type savedDelivery struct {
	Delivery
	CampaignAt int // -1 = none
}

type savedMessage struct {
	External, Email     string
	Sent, Bounced       int64
	Recipient, Delivery uint32
	Failure, Reason     uint8
	Seed, Late, Silent  bool
}

type savedTouch struct {
	At           int64
	Message, URL uint32
	URLType      uint8
}

type savedRef struct {
	At   int64
	N    uint32
	What uint8
}

// Save writes the log to dir, replacing the last snapshot at once. It does
// nothing when nothing changed since, or when the log was never used.
func (l *Log) Save(dir string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.version == 0 || l.version == l.saved {
		return nil
	}
	tmp, err := os.CreateTemp(dir, snapshotFile+".*")
	if err != nil {
		return fmt.Errorf("saving the event log: %w", err)
	}
	buffered := bufio.NewWriterSize(tmp, 1<<20)
	err = l.write(gob.NewEncoder(buffered))
	if err == nil {
		err = buffered.Flush()
	}
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(dir, snapshotFile))
	}
	if err != nil {
		return fmt.Errorf("saving the event log: %w", errors.Join(err, os.Remove(tmp.Name())))
	}
	l.saved = l.version
	return nil
}

func (l *Log) write(enc *gob.Encoder) error {
	head := savedLog{Epoch: l.epoch, URLs: l.urls, Raws: l.raws, Messages: len(l.messages), Touches: len(l.touches), Published: len(l.published), Pending: len(l.pending)}
	at := map[*Campaign]int{}
	for i, c := range l.campaigns {
		at[c] = i
		head.Campaigns = append(head.Campaigns, *c)
	}
	for _, d := range l.deliveries {
		s := savedDelivery{*d, -1}
		if d.Campaign != nil {
			s.CampaignAt = at[d.Campaign]
		}
		s.Campaign = nil
		head.Deliveries = append(head.Deliveries, s)
	}
	if err := enc.Encode(head); err != nil {
		return err
	}
	for _, m := range l.messages {
		if err := enc.Encode(savedMessage{m.external, m.email, m.sent, m.bounced, m.recipient, m.delivery, m.failure, m.reason, m.seed, m.late, m.silent}); err != nil {
			return err
		}
	}
	for _, t := range l.touches {
		if err := enc.Encode(savedTouch{t.at, t.message, t.url, t.urlType}); err != nil {
			return err
		}
	}
	for _, list := range [][]ref{l.published, l.pending} {
		for _, r := range list {
			if err := enc.Encode(savedRef{r.at, r.n, uint8(r.what)}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Load reads a snapshot into an empty log; false when there is none.
func (l *Log) Load(dir string) (bool, error) {
	f, err := os.Open(filepath.Join(dir, snapshotFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("loading the event log: %w", err)
	}
	defer f.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.read(gob.NewDecoder(bufio.NewReaderSize(f, 1<<20))); err != nil {
		return false, fmt.Errorf("loading the event log from %s: %w; delete the folder to start afresh", f.Name(), err)
	}
	l.version, l.saved = 1, 1
	return true, nil
}

func (l *Log) read(dec *gob.Decoder) error {
	var head savedLog
	if err := dec.Decode(&head); err != nil {
		return err
	}
	l.epoch, l.urls, l.raws = head.Epoch, head.URLs, head.Raws
	for i, u := range l.urls {
		l.urlIndex[u] = uint32(i) //nolint:gosec // memory ends first
	}
	for _, c := range head.Campaigns {
		l.campaigns = append(l.campaigns, &c)
	}
	for _, d := range head.Deliveries {
		if d.CampaignAt >= 0 {
			d.Delivery.Campaign = l.campaigns[d.CampaignAt]
		}
		l.deliveries = append(l.deliveries, &d.Delivery)
	}
	l.messages = make([]message, head.Messages)
	for i := range l.messages {
		var m savedMessage
		if err := dec.Decode(&m); err != nil {
			return err
		}
		l.messages[i] = message{m.External, m.Email, m.Sent, m.Bounced, m.Recipient, m.Delivery, m.Failure, m.Reason, m.Seed, m.Late, m.Silent}
	}
	l.touches = make([]touch, head.Touches)
	for i := range l.touches {
		var t savedTouch
		if err := dec.Decode(&t); err != nil {
			return err
		}
		l.touches[i] = touch{t.At, t.Message, t.URL, t.URLType}
	}
	l.published, l.pending = make([]ref, head.Published), make([]ref, head.Pending)
	for _, list := range [][]ref{l.published, l.pending} {
		for i := range list {
			var r savedRef
			if err := dec.Decode(&r); err != nil {
				return err
			}
			list[i] = ref{r.At, r.N, what(r.What)}
		}
	}
	return nil
}
