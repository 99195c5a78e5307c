"""Every operator page; names as templates/parts/nav.html links them."""

from django.urls import URLPattern, path, register_converter

from ace_project.console import (
    account,
    agent_end,
    agents,
    audit,
    audit_export,
    budget,
    bullet,
    calls,
    connect,
    delta,
    guided,
    job,
    job_actions,
    job_new,
    job_trajectories,
    jobs,
    model_choice,
    overview,
    pauses,
    playbook,
    propose,
    review,
    runs,
    saved_views,
    search,
    selected,
    staff,
    tokens,
    trace,
    trace_compare,
    trace_evidence,
    traces,
    transfer,
    two_person,
    undo,
    versions,
    waivers,
)
from ace_project.console.converters import AgentIdConverter

register_converter(AgentIdConverter, "agent_id")

app_name = "console"

deciding: list[URLPattern] = [
    path("", overview.overview, name="overview"),
    path("guided/<int:pk>/approve/", guided.approve, name="guided_approve"),
    path("guided/<int:pk>/compare/", guided.compare, name="guided_compare"),
    path("guided/<int:pk>/take-back/", guided.take_back, name="guided_take_back"),
    path("review/", review.queue, name="review"),
    path("review/selected/", selected.selected, name="review_selected"),
    path("review/views/", saved_views.change, name="saved_views"),
    path("review/<int:pk>/", delta.page, name="delta"),
    path("undo/", undo.undo, name="undo"),
]

knowing: list[URLPattern] = [
    path("playbooks/", playbook.playbooks, name="playbooks"),
    path("playbooks/<agent_id:agent_id>/", playbook.page, name="playbook"),
    path("playbooks/<agent_id:agent_id>/bullets/<slug:bullet_id>/", bullet.page, name="bullet"),
    path("playbooks/<agent_id:agent_id>/compare/", versions.compare, name="version_compare"),
    path("playbooks/<agent_id:agent_id>/rollback/", versions.rollback, name="rollback"),
    path("playbooks/<agent_id:agent_id>/propose/", propose.propose, name="propose"),
    path("playbooks/<agent_id:agent_id>/transfer/", transfer.transfer, name="transfer"),
    path("playbooks/<agent_id:agent_id>/export/", transfer.export, name="export"),
    path("playbooks/<agent_id:agent_id>/evolve/", runs.evolve, name="evolve"),
    path("traces/", traces.traces, name="traces"),
    path("traces/compare/", trace_compare.pair, name="trace_pair"),
    path("traces/evidence/", trace_evidence.evidence, name="trace_evidence"),
    path("traces/<int:pk>/", trace.trace, name="trace"),
    path("traces/<int:pk>/steps/<int:number>/", trace.step, name="trace_step"),
    path("traces/<int:pk>/compare/<int:other>/", trace_compare.compare, name="trace_compare"),
    path("runs/", runs.runs, name="runs"),
    path("runs/pause/", pauses.pause_all, name="pause_all"),
    path("runs/resume/", pauses.resume_all, name="resume_all"),
    path("runs/<int:pk>/", runs.run, name="run"),
    path("runs/<int:pk>/cancel/", runs.cancel, name="run_cancel"),
    path("runs/<int:pk>/retry/", runs.retry, name="run_retry"),
    path("search/", search.search, name="search"),
]

training: list[URLPattern] = [
    path("training/", jobs.jobs, name="training"),
    path("training/new/", job_new.create, name="training_new"),
    path("training/<int:pk>/", job.job, name="training_job"),
    path("training/<int:pk>/pause/", job_actions.pause, name="training_pause"),
    path("training/<int:pk>/resume/", job_actions.resume, name="training_resume"),
    path("training/<int:pk>/cancel/", job_actions.cancel, name="training_cancel"),
    path("training/<int:pk>/propose/", job_actions.propose, name="training_propose"),
    path("training/<int:pk>/export/", job_trajectories.export, name="training_export"),
    path("training/<int:pk>/trajectories/", job_trajectories.trajectories, name="trajectories"),
    path(
        "training/<int:pk>/trajectories/<int:number>/",
        job_trajectories.trajectory,
        name="trajectory",
    ),
]

governing: list[URLPattern] = [
    path("agents/", agents.agents, name="agents"),
    path("agents/new", agents.create, name="agent_new"),
    path("agents/<agent_id:agent_id>/", agents.agent, name="agent"),
    path("agents/<agent_id:agent_id>/pause/", pauses.pause, name="pause"),
    path("agents/<agent_id:agent_id>/resume/", pauses.resume, name="resume"),
    path("agents/<agent_id:agent_id>/name/", agents.rename, name="agent_name"),
    path("agents/<agent_id:agent_id>/mode/", agents.mode, name="agent_mode"),
    path("agents/<agent_id:agent_id>/two-person/", two_person.two_person, name="two_person"),
    path("agents/<agent_id:agent_id>/overrides/", agents.overrides, name="agent_overrides"),
    path("agents/<agent_id:agent_id>/model/", model_choice.choose, name="agent_model"),
    path("agents/<agent_id:agent_id>/waivers/", waivers.waive, name="waive"),
    path("agents/<agent_id:agent_id>/waivers/<int:pk>/end/", waivers.end, name="waiver_end"),
    path("agents/<agent_id:agent_id>/delete/", agent_end.delete, name="agent_delete"),
    path("agents/<agent_id:agent_id>/connect/", connect.connect, name="connect"),
    path("agents/<agent_id:agent_id>/connect/test/", connect.test_trace, name="test_trace"),
    path("agents/<agent_id:agent_id>/tokens/", tokens.of_agent, name="agent_tokens"),
    path("tokens/", tokens.of_all, name="tokens"),
    path("tokens/<uuid:jti>/revoke/", tokens.revoke, name="token_revoke"),
    path("budget/", budget.page, name="budget"),
    path("budget/raise/", budget.raise_limit, name="budget_raise"),
    path("calls/<uuid:pk>/", calls.call, name="call"),
    path("audit/", audit.log, name="audit"),
    path("audit/export/", audit_export.export, name="audit_export"),
    path("audit/verify/", audit.verify, name="audit_verify"),
]

people: list[URLPattern] = [
    path("account/", account.page, name="account"),
    path("account/sessions/end/", account.end_others, name="sessions_end"),
    path("account/sessions/<int:pk>/end/", account.end_session, name="session_end"),
    path("people/", staff.people, name="people"),
    path("people/invite/", staff.invite, name="person_invite"),
    path("people/<int:pk>/", staff.person, name="person"),
    path("people/<int:pk>/role/", staff.role, name="person_role"),
    path("people/<int:pk>/email/", staff.email, name="person_email"),
    path("people/<int:pk>/active/", staff.active, name="person_active"),
    path("people/<int:pk>/link/", staff.new_link, name="person_link"),
    path("people/<int:pk>/factors/", staff.factors, name="person_factors"),
]

urlpatterns = [*deciding, *knowing, *training, *governing, *people]
