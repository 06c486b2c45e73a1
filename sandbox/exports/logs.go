package exports

import (
	"strconv"

	"causeway.dev/sandbox/eventlog"
)

var broadLogColumns = []string{"broadLogId", "externalId", "email", "deliveryName", "deliveryLabel", "campaignName", "campaignLabel", "eventDate",
	"status", "failureType", "failureReason", "reasonText", "seed", "mirrorPageUrl", "lastModified"}

var trackingColumns = []string{"trackingLogId", "broadLogId", "externalId", "deliveryName", "campaignName", "logDate", "urlType", "url", "urlLabel",
	"urlCategory", "mirrorPageUrl"}

// exportLogs writes two files: the delivery logs that changed since the last run, and
// the tracking logs that were added (§6.3).
func (e *Engine) exportLogs(j job) (Result, error) {
	broad, err := e.exportBroadLogs(j)
	if err != nil {
		return broad, err
	}
	tracking, err := e.exportTracking(j)
	return Result{append(broad.Files, tracking.Files...), broad.Rows + tracking.Rows}, err
}

func (e *Engine) exportBroadLogs(j job) (Result, error) {
	s, err := j.extract("broadlog", "eventDate", broadLogColumns)
	if err != nil {
		return Result{}, err
	}
	return s.close(e.o.Log.BroadLogs(j.since, j.until, func(r eventlog.BroadLog) error {
		campaignName, campaignLabel := "", ""
		if c := r.Delivery.Campaign; c != nil {
			campaignName, campaignLabel = c.Name, c.Label
		}
		row := []string{r.BroadLogID, r.ExternalID, r.Email, r.Delivery.Name, r.Delivery.Label, campaignName, campaignLabel, r.Time.Format(xmlTime),
			strconv.Itoa(r.Status), strconv.Itoa(r.FailureType), strconv.Itoa(r.FailReason), r.FailText, "0", r.MirrorPageURL, r.LastModified.Format(xmlTime)}
		if r.Seed {
			row[12] = "1"
		}
		if j.twisted(Labels) {
			row[8] = map[int]string{eventlog.StatusSent: "Sent", eventlog.StatusFailed: "Failed"}[r.Status]
			row[9] = map[int]string{0: "Not defined", eventlog.FailureSoft: "Soft", eventlog.FailureHard: "Hard"}[r.FailureType]
			row[10] = eventlog.ReasonLabel(r.FailReason)
		}
		if spoiled(s.rows) {
			if j.twisted(Quotes) {
				row[4], row[11] = "The \"Spring\" mail,\n20 % off; today", row[11]+"\r\nsee \"policy\""
			}
			if j.twisted(WrongStamp) {
				row[7] = "01.03.2026 10:15"
			}
		}
		return s.write(row)
	}))
}

func (e *Engine) exportTracking(j job) (Result, error) {
	s, err := j.extract("trackinglog", "logDate", trackingColumns)
	if err != nil {
		return Result{}, err
	}
	return s.close(e.o.Log.TrackingLogs(j.since, j.until, func(t eventlog.Event) error {
		row := []string{t.TrackingLogID, t.BroadLogID, t.ExternalID, t.Delivery.Name, t.CampaignName(), t.Time.Format(xmlTime), strconv.Itoa(t.URLType),
			t.URL, t.URLLabel, t.URLCategory, t.MirrorPageURL}
		if j.twisted(Labels) {
			row[6] = t.URLLabel
		}
		if j.twisted(Latin1) {
			row[8] = "Öffnung"
		}
		if spoiled(s.rows) {
			if j.twisted(Quotes) {
				row[8] = "\"Shop\",\npage; 1"
			}
			if j.twisted(WrongStamp) {
				row[5] = "01.03.2026 10:15"
			}
		}
		return s.write(row)
	}))
}
