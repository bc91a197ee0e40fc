//! The rules of the demonstration: one that passes small things, one that refuses, one that asks.

use signoff_api::policy::PolicyApply;

/// As a file for `signoff policy apply` would say it.
const POLICIES: &str = r#"{
  "policies": [
    {
      "name": "refunds",
      "description": "Refunds up to $50 pass, larger ones ask a person",
      "actions": ["stripe.refund"],
      "effect": "conditional",
      "conditions": [{"field": "inputs.amount", "operator": "lte", "value": 50}],
      "otherwise": "require_approval",
      "approval": {"approvers": ["role:member"], "quorum": 1, "timeout": "15m"}
    },
    {
      "name": "never-delete-customers",
      "description": "Nobody deletes a customer",
      "actions": ["customer.delete*"],
      "effect": "deny"
    },
    {
      "name": "reading-is-free",
      "description": "Reading is free",
      "actions": ["*.read"],
      "effect": "allow"
    }
  ]
}"#;

/// The whole set.
pub(super) fn set() -> anyhow::Result<PolicyApply> {
    Ok(serde_json::from_str(POLICIES)?)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_set_is_well_formed() {
        assert_eq!(super::set().unwrap().policies.len(), 3);
    }
}
