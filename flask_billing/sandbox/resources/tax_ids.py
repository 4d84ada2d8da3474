"""Tax ids of customers, with formats checked and a verification that takes a moment."""

import copy
import re

from flask_billing.sandbox.engine import params
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.errors import Problem, missing_object
from flask_billing.sandbox.engine.expand import expandable
from flask_billing.sandbox.engine.routes import route
from flask_billing.sandbox.engine.store import Obj

_TYPES = """
    ad_nrt ae_trn al_tin am_tin ao_tin ar_cuit au_abn au_acn au_arn au_wpn aw_tin az_tin ba_tin
    bb_tin bd_bin bf_ifu bg_uic bh_vat bj_ifu bo_tin br_cnpj br_cpf bs_tin bw_vat by_tin ca_bn
    ca_gst_hst ca_pst_bc ca_pst_mb ca_pst_sk ca_qst cd_nif ch_uid ch_vat ci_vat cl_tin cm_niu
    cn_tin co_nit cr_tin cv_nif cz_dic de_stn do_rcn ec_ruc eg_tin es_cif et_tin eu_oss_vat
    eu_vat fo_vat fr_siren fr_siret fr_spi gb_vat ge_vat gh_tin gi_tin gn_nif hk_br hr_oib
    hu_tin ic_nif id_npwp il_vat in_gst is_kt is_vat it_cf jp_cn jp_rn jp_trn ke_pin kg_tin
    kh_tin kr_brn kz_bin la_tin li_uid li_vat lk_vat ma_vat md_cf md_vat me_pib mk_vat mr_nif
    mu_vat mx_rfc my_frp my_itn my_sst mz_nuit ng_tin no_vat no_voec np_pan nz_bn nz_gst om_vat
    pe_ruc ph_tin pl_nip pt_nif py_ruc ro_tin rs_pib ru_inn ru_kpp sa_vat sg_gst sg_uen si_tin
    sm_coe sn_ninea sr_fin sv_nit th_vat tj_tin tr_tin tt_bir tt_vat tw_vat tz_vat ua_vat ug_tin
    us_ein uy_ruc uz_tin uz_vat ve_rif vn_tin za_vat zm_tin zw_tin
"""
TYPES = frozenset(_TYPES.split())

EU_VAT = {
    "AT": r"U\d{8}",
    "BE": r"[01]\d{9}",
    "BG": r"\d{9,10}",
    "CY": r"\d{8}[A-Z]",
    "CZ": r"\d{8,10}",
    "DE": r"\d{9}",
    "DK": r"\d{8}",
    "EE": r"\d{9}",
    "EL": r"\d{9}",
    "ES": r"[A-Z0-9]\d{7}[A-Z0-9]",
    "FI": r"\d{8}",
    "FR": r"[A-Z0-9]{2}\d{9}",
    "HR": r"\d{11}",
    "HU": r"\d{8}",
    "IE": r"\d[A-Z0-9+*]\d{5}[A-Z]{1,2}",
    "IT": r"\d{11}",
    "LT": r"(\d{9}|\d{12})",
    "LU": r"\d{8}",
    "LV": r"\d{11}",
    "MT": r"\d{8}",
    "NL": r"[A-Z0-9+*]{10}\d{2}",
    "PL": r"\d{10}",
    "PT": r"\d{9}",
    "RO": r"\d{2,10}",
    "SE": r"\d{12}",
    "SI": r"\d{8}",
    "SK": r"\d{10}",
    "XI": r"(\d{9}|\d{12}|(GD|HA)\d{3})",
}
FORMATS = {
    "au_abn": r"\d{11}",
    "br_cnpj": r"\d{2}\.?\d{3}\.?\d{3}/?\d{4}-?\d{2}",
    "ch_vat": r"CHE-?\d{3}\.?\d{3}\.?\d{3} ?(MWST|TVA|IVA)",
    "eu_oss_vat": r"EU\d{9}",
    "eu_vat": "|".join(f"{country}{digits}" for country, digits in EU_VAT.items()),
    "gb_vat": r"(GB)?(\d{9}|\d{12}|(GD|HA)\d{3})",
    "in_gst": r"\d{2}[A-Z]{5}\d{4}[A-Z][A-Z\d]Z[A-Z\d]",
    "no_vat": r"\d{9}MVA",
    "nz_gst": r"\d{8,9}",
    "us_ein": r"\d{2}-?\d{7}",
}
VERIFIED_TYPES = ("au_abn", "eu_vat", "gb_vat", "in_gst")

# Stripe's test values: these tell how the verification of any verified type ends.
OUTCOMES = {"000000000": "verified", "111111111": "unverified", "222222222": "pending"}

CREATE: params.Declared = {
    "type": params.text(clearable=False),
    "value": params.text(clearable=False),
}


def add(call: Call, customer: str, type: str, value: str, *, param: str = "value") -> Obj:
    """Add a tax id to a customer; it is given as it is at first, still being verified."""
    check(type, value, param)
    verified = type in VERIFIED_TYPES
    tax_id = call.create(
        "tax_id",
        "txi_1",
        {
            "country": _country(type, value),
            "customer": customer,
            "customer_account": None,
            "owner": {"customer": customer, "customer_account": None, "type": "customer"},
            "type": type,
            "value": value,
            "verification": _verification("pending" if verified else "unavailable"),
        },
    )
    call.emit("customer.tax_id.created", tax_id)
    at_first = copy.deepcopy(tax_id)
    outcome = _outcome(value)
    if verified and outcome != "pending":
        verified_as = _verification(outcome)
        call.automatic().change(tax_id, "customer.tax_id.updated", verification=verified_as)
    return at_first


def check(type: str, value: str, param: str = "value") -> None:
    """Refuse an unknown type, or a value that is not in its format."""
    if type not in TYPES:
        raise Problem(f"Invalid type: {type} is not a tax id type.", param="type")
    pattern = FORMATS.get(type, r".+")
    bare = value if type in ("us_ein", "br_cnpj", "ch_vat") else value.replace(" ", "")
    if value not in OUTCOMES and re.fullmatch(pattern, bare.upper()) is None:
        raise Problem(f"Invalid value for {type}.", code="tax_id_invalid", param=param)


def _outcome(value: str) -> str:
    for ending, outcome in OUTCOMES.items():
        if value.endswith(ending):
            return outcome
    return "verified"


def _verification(status: str) -> Obj:
    seen = "Sandbox" if status == "verified" else None
    return {"status": status, "verified_address": seen, "verified_name": seen}


def _country(type: str, value: str) -> str | None:
    code = value[:2].upper() if type == "eu_vat" else type[:2].upper()
    if type == "eu_oss_vat" or not code.isalpha():
        return None
    return "GR" if code == "EL" else code


@route("POST", "/v1/customers/{customer}/tax_ids", CREATE)
def create(call: Call, customer: str) -> Obj:
    """Add a tax id to a customer."""
    call.get("customer", customer)
    params.require(call.params, "type", "value")
    return add(call, customer, call.params["type"], call.params["value"])


@route("GET", "/v1/customers/{customer}/tax_ids", params.PAGE)
def list_all(call: Call, customer: str) -> Obj:
    """Give a page of a customer's tax ids."""
    call.get("customer", customer)
    return call.page("tax_id", {"customer": customer})


@route("GET", "/v1/customers/{customer}/tax_ids/{tax_id}")
def retrieve(call: Call, customer: str, tax_id: str) -> Obj:
    """Give one of a customer's tax ids."""
    call.get("customer", customer)
    found = call.get("tax_id", tax_id)
    if found["customer"] != customer:
        raise missing_object("tax_id", tax_id)
    return found


@route("DELETE", "/v1/customers/{customer}/tax_ids/{tax_id}")
def delete(call: Call, customer: str, tax_id: str) -> Obj:
    """Take a tax id away from a customer."""
    found = retrieve(call, customer, tax_id)
    call.emit("customer.tax_id.deleted", found)
    call.store.remove(tax_id)
    return {"id": tax_id, "object": "tax_id", "deleted": True}


expandable("tax_id", "customer")
