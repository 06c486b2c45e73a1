package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"github.com/uber-go/tally/v4"
	"golang.org/x/sync/errgroup"

	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
	"causeway.dev/sandbox/stack"
	"causeway.dev/worker/host"
)

// bareLoop pages, maps and POSTs with the same clients and the same concurrency
// as the flow of r, into empty sandboxes, and remembers nothing: what durability
// costs is the difference to it. It runs in this process, beside the sandboxes.
func bareLoop(ctx context.Context, r *rig, o rigOptions) (rate float64, err error) {
	plan, err := resolved(ctx, r)
	if err != nil {
		return 0, err
	}
	mapper, err := plan.Mapper()
	if err != nil {
		return 0, err
	}
	boxes, err := stack.Start(ctx, stack.Options{
		Dir: filepath.Join(r.dir, "loop"), Contacts: o.contacts, Seed: 1, Latency: o.latency, CampaignRate: o.rate,
	})
	if err != nil {
		return 0, err
	}
	defer boxes.Close(context.WithoutCancel(ctx))
	cfg := *r.cfg
	cfg.Dynamics.URL, cfg.Dynamics.Authority, cfg.Dynamics.CAFile = boxes.DynamicsURL, boxes.Authority, boxes.CAPath
	cfg.Campaign.URL, cfg.Campaign.IMSURL, cfg.Campaign.CAFile = boxes.CampaignURL, boxes.IMSURL, boxes.CAPath
	services, err := host.NewServices(&cfg, tally.NoopScope)
	if err != nil {
		return 0, err
	}
	resource := campaign.Resource{API: mapping.DefaultAPI, Name: plan.Table.Campaign.Resource}
	query := dataverse.Query{EntitySet: plan.EntitySet, KeyColumn: plan.Key, Select: mapper.Select(), Track: true}

	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	rows := make(chan []byte, 64)
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
	for range cfg.Campaign.Concurrency {
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
	if err := group.Wait(); err != nil {
		return 0, err
	}
	took := time.Since(began)
	if n := boxes.Campaign.Count("profile"); n != int64(o.contacts) {
		return 0, fmt.Errorf("the bare loop wrote %d of %d", n, o.contacts)
	}
	return float64(o.contacts) / took.Seconds(), nil
}

// resolved is the mapping as the flow resolved it.
func resolved(ctx context.Context, r *rig) (*mapping.Plan, error) {
	l, err := ledger.Open(ctx, ledger.Options{Driver: "sqlite", Path: r.cfg.Ledger.Path})
	if err != nil {
		return nil, err
	}
	defer l.Close()
	doc, err := l.Revision(ctx, r.cfg.Ingress.Tables["contacts"].Revision())
	if err != nil {
		return nil, err
	}
	var plan mapping.Plan
	return &plan, json.Unmarshal(doc, &plan)
}
