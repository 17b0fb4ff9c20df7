"""The notebooks in order, through papermill: profiles, resume, and a report that names what failed."""

from hyperface_lib.pipeline.conditioning import refuse_unconditioned
from hyperface_lib.pipeline.execute import Failure, StepResult, execute_step
from hyperface_lib.pipeline.plan import Plan, Step, parse_parameter, plan_run
from hyperface_lib.pipeline.profiles import Profile, Requirement, list_profiles, load_profile
from hyperface_lib.pipeline.report import missing_table, plan_table, summary_table
from hyperface_lib.pipeline.run import PipelineResult, execute_plan

__all__ = [
    "Failure",
    "PipelineResult",
    "Plan",
    "Profile",
    "Requirement",
    "Step",
    "StepResult",
    "execute_plan",
    "execute_step",
    "list_profiles",
    "load_profile",
    "missing_table",
    "parse_parameter",
    "plan_run",
    "plan_table",
    "refuse_unconditioned",
    "summary_table",
]
