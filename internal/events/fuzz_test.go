package events_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"causeway.dev/internal/events"
)

// usable checks what holds for every event that a parser returns.
func usable(t *testing.T, e events.MarketingEvent) {
	t.Helper()
	if e.Key == "" || e.Type == "" || e.DeliveryName == "" || e.Time.Year() < 1970 || e.Type == events.Click && e.URL == "" {
		t.Fatalf("not a whole event: %s", e.Encode())
	}
	if !json.Valid(e.Encode()) {
		t.Fatalf("not JSON: %s", e.Encode())
	}
	again, err := events.Decode(e.Encode())
	if err != nil || !reflect.DeepEqual(*again, e) {
		t.Fatalf("read back %v: %s", err, e.Encode())
	}
}

func problem(t *testing.T, err error) {
	t.Helper()
	if _, ok := errors.AsType[*events.Problem](err); !ok {
		t.Fatalf("want a *Problem, got %T", err)
	}
}

// FuzzFromJournal reads any text as an event.
func FuzzFromJournal(f *testing.F) {
	f.Add([]byte(click))
	f.Add([]byte(`{"type":"email.bounce","id":"\ud800","data":{"externalID":null,"eventDate":"9999-12-31T23:59:59-10:00","deliveryName":"\u0000","failureType":"soft"}}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, ours, err := events.FromJournal("p", raw)
		switch {
		case err != nil:
			problem(t, err)
		case ours:
			usable(t, e)
		}
	})
}

// FuzzRows reads any texts as the columns of a row. Files hold UTF-8 only.
func FuzzRows(f *testing.F) {
	f.Add("8003", ada, "DM190", "2026-03-01T10:15:29.000Z", "2", "2", "0", "https://m.example.test", "2026-03-04T08:00:00Z")
	f.Add("1", "", "D", "2026-03-01 10:15:29Z", "1", "", "", "", "")
	f.Fuzz(func(t *testing.T, id, external, delivery, at, status, failure, seed, url, changed string) {
		for _, s := range []*string{&id, &external, &delivery, &at, &status, &failure, &seed, &url, &changed} {
			*s = string([]rune(*s))
		}
		list, err := events.FromBroadLog(events.BroadLog{ID: id, ExternalID: external, DeliveryName: delivery, EventDate: at, Status: status,
			FailureType: failure, Seed: seed, MirrorPageURL: url, LastModified: changed})
		if err != nil {
			problem(t, err)
		}
		for _, e := range list {
			usable(t, e)
		}
		e, ours, err := events.FromTracking(events.Tracking{ID: id, BroadLogID: changed, ExternalID: external, DeliveryName: delivery, LogDate: at, URLType: status, URL: url})
		switch {
		case err != nil:
			problem(t, err)
		case ours:
			usable(t, e)
		}
	})
}
