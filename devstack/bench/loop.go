package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/uber-go/tally/v4"
	"golang.org/x/sync/errgroup"

	"causeway.dev/config"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
	"causeway.dev/sandbox/stack"
	"causeway.dev/worker/host"
)

// loopConfig and loopLedger are environment variables that make this binary run as the
// bare loop. They name a configuration, and the ledger that holds the plan of its
// mapping.
const loopConfig, loopLedger = "CAUSEWAY_BENCH_LOOP_CONFIG", "CAUSEWAY_BENCH_LOOP_LEDGER"

// loopResult is what the bare loop prints.
type loopResult struct {
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu_seconds"`
}

// bareLoop pages, maps and POSTs with the same clients and the same concurrency as the
// flow of r, from a process of its own into fresh sandboxes. It keeps no state, so the
// difference to it is the cost of durability.
func bareLoop(ctx context.Context, r *rig, o rigOptions) (cost cost, err error) {
	boxes, err := stack.Start(ctx, stack.Options{
		Dir: filepath.Join(r.dir, "loop"), Contacts: o.contacts, Seed: 1, Latency: o.latency, CampaignRate: o.rate,
	})
	if err != nil {
		return cost, err
	}
	defer func() { err = errors.Join(err, boxes.Close(context.WithoutCancel(ctx))) }()
	path := filepath.Join(r.dir, "loop.yaml")
	if err := os.WriteFile(path, []byte(configText(boxes, r.dir, o)), 0o600); err != nil {
		return cost, err
	}
	self, err := os.Executable()
	if err != nil {
		return cost, err
	}
	child := exec.CommandContext(ctx, self)
	child.Env = append(os.Environ(), loopConfig+"="+path, loopLedger+"="+r.cfg.Ledger.Path)
	child.Stderr = os.Stderr
	out, err := child.Output()
	if err != nil {
		return cost, fmt.Errorf("the bare loop: %w", err)
	}
	var result loopResult
	if err := json.Unmarshal(out, &result); err != nil {
		return cost, fmt.Errorf("the bare loop: %w", err)
	}
	if n := boxes.Campaign.Count("profile"); n != int64(o.contacts) {
		return cost, fmt.Errorf("the bare loop wrote %d of %d", n, o.contacts)
	}
	return newCost(o.contacts, result.Seconds, result.CPU), nil
}

// runLoop is the bare loop itself.
func runLoop(ctx context.Context) error {
	cfg, err := config.Load(os.Getenv(loopConfig))
	if err != nil {
		return err
	}
	plan, err := resolved(ctx, os.Getenv(loopLedger), cfg.Ingress.Tables["contacts"].Revision())
	if err != nil {
		return err
	}
	mapper, err := plan.Mapper()
	if err != nil {
		return err
	}
	services, err := host.NewServices(cfg, tally.NoopScope, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	began, cpu := time.Now(), ownCPU()
	if err := copyAll(ctx, cfg.Campaign.Concurrency, services, plan, mapper); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(loopResult{Seconds: time.Since(began).Seconds(), CPU: ownCPU() - cpu})
}

func copyAll(ctx context.Context, width int, services *host.Services, plan *mapping.Plan, mapper *mapping.Mapper) error {
	resource := campaign.Resource{API: mapping.DefaultAPI, Name: plan.Table.Campaign.Resource}
	query := dataverse.Query{EntitySet: plan.EntitySet, KeyColumn: plan.Key, Select: mapper.Select(), Track: true}
	group, ctx := errgroup.WithContext(ctx)
	rows := make(chan []byte, 4*width)
	group.Go(func() error {
		defer close(rows)
		page, err := services.Dataverse.Query(ctx, query)
		for ; err == nil; page, err = services.Dataverse.Follow(ctx, query, page.NextLink) {
			for _, c := range page.Changes {
				select {
				case rows <- c.Raw:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			if page.NextLink == "" {
				return nil
			}
		}
		return err
	})
	for range width {
		group.Go(func() error {
			for raw := range rows {
				payload, err := mapper.Map(raw)
				if err != nil {
					return err
				}
				if err := services.Campaign.Create(ctx, resource, payload.Body()); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// resolved reads the plan that the flow made of the mapping.
func resolved(ctx context.Context, path, revision string) (*mapping.Plan, error) {
	l, err := ledger.Open(ctx, ledger.Options{Driver: "sqlite", Path: path})
	if err != nil {
		return nil, err
	}
	defer l.Close()
	doc, err := l.Revision(ctx, revision)
	if err != nil {
		return nil, err
	}
	var plan mapping.Plan
	return &plan, json.Unmarshal(doc, &plan)
}
