package activities

// Names of the activities. Histories keep them, so a name that was released is
// not changed; workflows and the operators' tool order work by them.

// Of the flow Dynamics → Campaign, and of what its owner does for an operator.
const (
	Preflight            = "Preflight"            // PreflightInput -> PreflightResult
	AwaitParents         = "AwaitParents"         // AwaitParentsInput -> AwaitParentsResult
	OpenRun              = "OpenRun"              // OpenRunInput -> OpenRunResult
	FetchPage            = "FetchPage"            // FetchInput -> FetchResult
	WriteLane            = "WriteLane"            // LaneInput -> LaneResult
	SaveWatermark        = "SaveWatermark"        // SaveWatermarkInput -> SaveWatermarkResult
	EndRun               = "EndRun"               // EndRunInput
	ApproveDeletes       = "ApproveDeletes"       // ApproveInput -> ApproveResult
	RejectDeletes        = "RejectDeletes"        // ApproveInput -> RejectResult
	MayRollback          = "MayRollback"          // MayRollbackInput -> MayRollbackResult
	FindUnrecordedWrites = "FindUnrecordedWrites" // UnrecordedWritesInput -> UnrecordedWritesResult
	LogOperation         = "LogOperation"         // LogInput -> LogEnd
	Acknowledge          = "Acknowledge"          // AcknowledgeInput -> LogEnd
)

// Of the audit of a table.
const (
	OpenAudit     = "OpenAudit"     // AuditInput -> OpenAuditResult
	AuditPages    = "AuditPages"    // AuditInput -> AuditPagesResult
	AuditMissing  = "AuditMissing"  // AuditMissingInput -> AuditMissingResult
	EndAudit      = "EndAudit"      // AuditInput -> AuditFindings
	ApplyFindings = "ApplyFindings" // ApplyFindingsInput -> ApplyFindingsResult
	DeleteStrays  = "DeleteStrays"  // DeleteStraysInput -> DeleteStraysResult
)

// Of the flow of marketing events.
const (
	PreflightEvents   = "PreflightEvents"   // PreflightEventsInput -> PreflightEventsResult
	OpenEventRun      = "OpenEventRun"      // OpenRunInput -> OpenRunResult
	FetchEvents       = "FetchEvents"       // FetchInput -> FetchResult
	WriteTimeline     = "WriteTimeline"     // LaneInput -> LaneResult
	SaveEventPosition = "SaveEventPosition" // SaveWatermarkInput -> SaveWatermarkResult
	EndEventRun       = "EndEventRun"       // EndRunInput
	RestartJournal    = "RestartJournal"    // RestartJournalInput -> RestartJournalResult
	RaiseLag          = "RaiseLag"          // RaiseLagInput -> RaiseLagResult
)

// Of the flow of opt-outs.
const (
	PreflightOptOut    = "PreflightOptOut"    // PreflightOptOutInput -> PreflightOptOutResult
	OpenOptOutRun      = "OpenOptOutRun"      // OpenRunInput -> OpenRunResult
	FetchOptOuts       = "FetchOptOuts"       // FetchInput -> FetchResult
	WriteOptOuts       = "WriteOptOuts"       // LaneInput -> LaneResult
	SaveOptOutPosition = "SaveOptOutPosition" // SaveWatermarkInput -> SaveWatermarkResult
	EndOptOutRun       = "EndOptOutRun"       // EndRunInput
	WatchExport        = "WatchExport"        // WatchExportInput -> WatchExportResult
)

// Questions of operators, each answered by one activity on the main queue.
const (
	ListQuarantine     = "ListQuarantine"     // QuarantineListInput -> QuarantineListResult
	ShowQuarantined    = "ShowQuarantined"    // ShowQuarantinedInput -> ShowQuarantinedResult
	DiscardQuarantined = "DiscardQuarantined" // DiscardInput -> DiscardResult
	ListDeletes        = "ListDeletes"        // DeleteListInput -> DeleteListResult
	CheckFolder        = "CheckFolder"        // CheckFolderInput -> CheckFolderResult
	ListStrays         = "ListStrays"         // StraysInput -> StraysResult
	MarkRestored       = "MarkRestored"       // MarkRestoredInput -> MarkRestoredResult
	FindTraces         = "FindTraces"         // TracesInput -> TracesResult
	Forget             = "Forget"             // ForgetInput -> ForgetResult
	RekeyLedger        = "RekeyLedger"        // RekeyLedgerInput -> LedgerSealing
	BackupLedger       = "BackupLedger"       // BackupLedgerInput -> BackupLedgerResult
	CheckFilter        = "CheckFilter"        // CheckFilterInput -> CheckFilterResult
	CheckNamed         = "CheckNamed"         // CheckNamedInput -> CheckNamedResult
	EstimateBackfill   = "EstimateBackfill"   // EstimateInput -> EstimateResult
	CheckMapping       = "CheckMapping"       // PreflightInput -> CheckMappingResult
	CompareMapping     = "CompareMapping"     // CompareMappingInput -> CompareMappingResult
	Doctor             = "Doctor"             // DoctorInput -> DoctorResult
	KeepChecks         = "KeepChecks"         // KeepChecksInput
	Plan               = "Plan"               // PlanInput -> PlanResult
	Explain            = "Explain"            // ExplainInput -> ExplainResult
	QuestionKey        = "QuestionKey"        // QuestionKeyInput -> QuestionKeyResult
	FindRecords        = "FindRecords"        // FindInput -> FindResult
	ShowPerson         = "ShowPerson"         // ShowPersonInput -> ShowPersonResult
	ExplainEvent       = "ExplainEvent"       // ExplainEventInput -> ExplainEventResult
	ProposeMapping     = "ProposeMapping"     // ProposeInput -> ProposeResult
	ListModels         = "ListModels"         // ListModelsInput -> ListModelsResult
	DescribeMapping    = "DescribeMapping"    // DescribeMappingInput -> DescribeMappingResult
	TryMapping         = "TryMapping"         // TryMappingInput -> TryMappingResult
	Totals             = "Totals"             // TotalsInput -> TotalsResult
	Meter              = "Meter"              // MeterInput -> MeterResult
	Series             = "Series"             // SeriesInput -> SeriesResult
	ListRuns           = "ListRuns"           // RunListInput -> RunListResult
	ShowRun            = "ShowRun"            // ShowRunInput -> ShowRunResult
	RecordSave         = "RecordSave"         // RecordSaveInput -> LogEnd
	ListSaves          = "ListSaves"          // ListSavesInput -> ListSavesResult
	ShowSave           = "ShowSave"           // ShowSaveInput -> ShowSaveResult
	ListOperations     = "ListOperations"     // OperationsInput -> OperationsResult
	VerifyLog          = "VerifyLog"          // VerifyLogInput -> VerifyLogResult
	CheckOptOuts       = "CheckOptOuts"       // CheckOptOutsInput -> CheckOptOutsResult
	CheckSource        = "CheckSource"        // CheckSourceInput -> CheckSourceResult
	OptOutEvidence     = "OptOutEvidence"     // EvidenceInput -> EvidenceResult
)
