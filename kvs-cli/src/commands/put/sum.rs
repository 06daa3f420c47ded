//! What several producers of one run have done.

use kvs_producer::StopReport;

/// Adds the report of a producer to those before it. Only what is reported is added.
pub(super) fn of(before: Option<StopReport>, mut last: StopReport) -> StopReport {
    let Some(before) = before else { return last };
    let (sum, more) = (&mut last.totals, &before.totals);
    // What one has left in the spool, the next recovers: it counts once.
    sum.recovered.frames = (sum.recovered.frames + more.recovered.frames).saturating_sub(more.spooled.frames);
    sum.recovered.bytes = (sum.recovered.bytes + more.recovered.bytes).saturating_sub(more.spooled.bytes);
    for (sum, more) in
        [(&mut sum.submitted, more.submitted), (&mut sum.persisted, more.persisted), (&mut sum.lost, more.lost)]
    {
        sum.frames += more.frames;
        sum.bytes += more.bytes;
    }
    sum.persisted_fragments += more.persisted_fragments;
    let (sum, more) = (&mut last.stats, &before.stats);
    sum.sessions += more.sessions;
    sum.reconnects += more.reconnects;
    sum.resent_bytes += more.resent_bytes;
    sum.ack_latency.add(&more.ack_latency);
    last
}
