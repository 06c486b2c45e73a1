package ledger

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"time"
)

// The columns that can hold a value of a person. docs/data-protection.md lists all
// columns, and says why the others hold none.
const (
	recordPayload     = "record.payload"
	beforePayload     = "before_image.payload"
	laneData          = "lane_data.data"
	quarantinePayload = "quarantine.payload"
	parkedPayload     = "parked.payload"
	doubtPayload      = "doubt.payload"
	auditPayload      = "audit.payload"
	optOutDoc         = "optout.doc"
	revisionDoc       = "revision.doc"
	runSpan           = "run.span"
	runPreBaseline    = "run.pre_baseline_at"
	pageNext          = "page.next_at"
	pageEnd           = "page.end_at"
	watermarkLink     = "watermark.link"
	accessInput       = "access_request.input"
	erasureSecret     = "erasure_secret.secret"
	saveSays          = "config_save.says"
	saveFiles         = "config_save.files"
)

func (id LaneID) place() place {
	return at(laneData, id.Run, strconv.Itoa(id.Page), strconv.Itoa(id.Lane))
}

// sealedEffects are the values of effects as they are kept, in the order of the effects.
type sealedEffects struct {
	records, befores, refused, parked, optouts [][]byte
}

// seal seals the values of effects for their rows. It is called outside the transaction,
// because on SQLite others wait for that.
func (e *effects) seal(s *sealer, run, flow, table string) (err error) {
	keep := func(n int, one func(i int) ([]byte, error)) [][]byte {
		if n == 0 || err != nil {
			return nil
		}
		out := make([][]byte, n)
		for i := 0; i < n && err == nil; i++ {
			out[i], err = one(i)
		}
		return out
	}
	e.sealed.records = keep(len(e.records), func(i int) ([]byte, error) {
		r := e.records[i]
		return s.closeWith(r.Payload, r.Fingerprint, at(recordPayload, table, r.Key))
	})
	e.sealed.befores = keep(len(e.befores), func(i int) ([]byte, error) {
		return s.close(e.befores[i].Payload, at(beforePayload, run, table, e.befores[i].Key))
	})
	e.sealed.refused = keep(len(e.refused), func(i int) ([]byte, error) {
		return s.pack(e.refused[i].Payload, at(quarantinePayload, flow, table, e.refused[i].Key))
	})
	e.sealed.parked = keep(len(e.parked), func(i int) ([]byte, error) {
		if e.parked[i].Deleted {
			return nil, nil
		}
		return s.pack(e.parked[i].Payload, at(parkedPayload, table, e.parked[i].Key))
	})
	e.sealed.optouts = keep(len(e.optouts), func(i int) ([]byte, error) {
		return s.close(e.optouts[i].Doc, at(optOutDoc, e.optouts[i].Contact))
	})
	return err
}

// subject is what the entries of a lane are records of.
type subject struct {
	flow, table string
	runStarted  time.Time
}

// subjectOf says what a lane is about, which never changes.
func (l *Ledger) subjectOf(ctx context.Context, db queryer, id LaneID) (of subject, err error) {
	if known, ok := l.subjects.Load(id); ok {
		return known.(subject), nil
	}
	var started int64
	err = db.QueryRowContext(ctx, l.q(`SELECT run.flow, page.tbl, run.started FROM page JOIN run ON run.id = page.run WHERE page.run = ? AND page.number = ?`), id.Run, id.Page).
		Scan(&of.flow, &of.table, &started)
	of.runStarted = fromMillis(started)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	return of, err
}
