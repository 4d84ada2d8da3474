"""Customers and their tax ids behave as Stripe's."""

from __future__ import annotations

import pytest
import stripe


def test_customer_keeps_what_it_was_created_with(client: stripe.StripeClient) -> None:
    address = {"line1": "Main St 1", "city": "Berlin", "country": "DE"}

    made = client.v1.customers.create(
        {"email": "ada@example.com", "name": "Ada", "address": address, "metadata": {"ours": "1"}}
    )

    found = client.v1.customers.retrieve(made.id)
    assert found.to_dict() == made.to_dict()
    assert found.id.startswith("cus_")
    assert found.address is not None
    assert found.address.to_dict() == {
        **address,
        "line2": None,
        "postal_code": None,
        "state": None,
    }
    assert found.to_dict()["metadata"] == {"ours": "1"}
    assert not found.livemode


def test_collections_of_a_customer_are_absent_unless_expanded(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({})

    assert {"sources", "subscriptions", "tax_ids", "tax", "cash_balance"}.isdisjoint(
        customer.to_dict()
    )


def test_update_sets_changes_and_clears(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({"name": "Ada", "phone": "1", "email": "a@example.com"})

    client.v1.customers.update(customer.id, {"name": "Grace"})
    client.v1.customers.update(customer.id, {"phone": "", "address": {"line1": "x", "line2": "y"}})
    client.v1.customers.update(customer.id, {"address": {"line2": ""}})

    found = client.v1.customers.retrieve(customer.id)
    assert (found.name, found.phone, found.email) == ("Grace", None, "a@example.com")
    assert found.address is not None
    assert (found.address.line1, found.address.line2) == ("x", None)


def test_whole_address_can_be_cleared(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({"address": {"line1": "x"}})

    cleared = client.v1.customers.update(customer.id, {"address": ""})

    assert cleared.address is None


def test_metadata_is_merged_and_an_empty_value_deletes_its_key(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({"metadata": {"a": "1", "b": "2"}})

    merged = client.v1.customers.update(customer.id, {"metadata": {"a": "", "c": "3"}})
    emptied = client.v1.customers.update(customer.id, {"metadata": ""})

    assert merged.to_dict()["metadata"] == {"b": "2", "c": "3"}
    assert emptied.to_dict()["metadata"] == {}


@pytest.mark.parametrize(
    "metadata",
    [
        {"k" * 41: "v"},
        {"k": "v" * 501},
        {str(number) + "k": "v" for number in range(51)},
    ],
    ids=["long key", "long value", "many keys"],
)
def test_metadata_has_its_limits(client: stripe.StripeClient, metadata: dict[str, str]) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.create({"metadata": metadata})


def test_metadata_at_its_limits_is_taken(client: stripe.StripeClient) -> None:
    metadata = {f"{number:0>40}": "v" * 500 for number in range(2)} | {"k": "v"}

    customer = client.v1.customers.create({"metadata": metadata})

    assert customer.to_dict()["metadata"] == metadata


def test_bad_email_is_refused_at_its_field(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.customers.create({"email": "not an address"})

    assert (refused.value.code, refused.value.param) == ("email_invalid", "email")


def test_deleted_customer_says_so_and_is_gone_from_lists(client: stripe.StripeClient) -> None:
    kept = client.v1.customers.create({})
    gone = client.v1.customers.create({"email": "a@example.com"})
    method = client.v1.payment_methods.attach("pm_card_visa", {"customer": gone.id})

    client.v1.customers.delete(gone.id)

    answer = client.v1.customers.retrieve(gone.id)
    assert answer.to_dict() == {"id": gone.id, "object": "customer", "deleted": True}
    assert [customer.id for customer in client.v1.customers.list().data] == [kept.id]
    assert client.v1.payment_methods.retrieve(method.id).customer is None
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.customers.update(gone.id, {"name": "x"})
    assert refused.value.http_status == 404
    assert refused.value.code == "resource_missing"


def test_customers_are_listed_newest_first_and_by_email(client: stripe.StripeClient) -> None:
    first = client.v1.customers.create({"email": "a@example.com"})
    second = client.v1.customers.create({"email": "b@example.com"})

    everybody = client.v1.customers.list().data
    one = client.v1.customers.list({"email": "a@example.com"}).data

    assert [customer.id for customer in everybody] == [second.id, first.id]
    assert [customer.id for customer in one] == [first.id]


def test_default_payment_method_has_to_be_the_customers_own(client: stripe.StripeClient) -> None:
    ours = client.v1.customers.create({})
    other = client.v1.customers.create({})
    method = client.v1.payment_methods.attach("pm_card_visa", {"customer": ours.id})
    settings = {"default_payment_method": method.id}

    updated = client.v1.customers.update(ours.id, {"invoice_settings": settings})
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.update(other.id, {"invoice_settings": settings})
    client.v1.payment_methods.detach(method.id)

    assert updated.invoice_settings is not None
    assert updated.invoice_settings.default_payment_method == method.id
    after = client.v1.customers.retrieve(ours.id).invoice_settings
    assert after is not None
    assert after.default_payment_method is None


def test_tax_id_is_pending_first_and_verified_afterwards(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({})

    made = client.v1.customers.tax_ids.create(
        customer.id, {"type": "eu_vat", "value": "DE123456789"}
    )

    assert made.verification is not None
    assert (made.country, made.verification.status) == ("DE", "pending")
    later = client.v1.customers.tax_ids.retrieve(customer.id, made.id)
    assert later.verification is not None
    assert later.verification.status == "verified"


@pytest.mark.parametrize(
    ("value", "status"), [("DE111111111", "unverified"), ("DE222222222", "pending")]
)
def test_test_values_tell_how_a_verification_ends(
    client: stripe.StripeClient, value: str, status: str
) -> None:
    customer = client.v1.customers.create({})
    made = client.v1.customers.tax_ids.create(customer.id, {"type": "eu_vat", "value": value})

    later = client.v1.customers.tax_ids.retrieve(customer.id, made.id)

    assert later.verification is not None
    assert later.verification.status == status


@pytest.mark.parametrize(
    ("kind", "value"),
    [("eu_vat", "DE12"), ("eu_vat", "123456789"), ("gb_vat", "GB1"), ("us_ein", "12")],
)
def test_malformed_tax_id_is_refused(client: stripe.StripeClient, kind: str, value: str) -> None:
    customer = client.v1.customers.create({})

    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.customers.tax_ids.create(customer.id, {"type": kind, "value": value})

    assert (refused.value.code, refused.value.param) == ("tax_id_invalid", "value")


def test_tax_ids_are_listed_expanded_and_deleted_with_their_customer_alone(
    client: stripe.StripeClient,
) -> None:
    ours = client.v1.customers.create({})
    other = client.v1.customers.create({})
    made = client.v1.customers.tax_ids.create(ours.id, {"type": "us_ein", "value": "12-3456789"})

    expanded = client.v1.customers.retrieve(ours.id, {"expand": ["tax_ids"]})
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.tax_ids.retrieve(other.id, made.id)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.tax_ids.delete(other.id, made.id)
    client.v1.customers.tax_ids.delete(ours.id, made.id)

    assert expanded.tax_ids is not None
    assert [tax_id.id for tax_id in expanded.tax_ids.data] == [made.id]
    assert client.v1.customers.tax_ids.list(ours.id).data == []


def test_refused_tax_id_leaves_no_customer_behind(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.create({"tax_id_data": [{"type": "eu_vat", "value": "XX1"}]})

    assert client.v1.customers.list().data == []
